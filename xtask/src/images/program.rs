//! The programs that go into images: built static, and proved to be.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use cluster::progress::say;

use super::catalogue::{Image, Source};
use crate::{process, workspace};

/// Builds the programs of images and returns their paths, in the same order.
pub fn build(images: &[&Image]) -> Result<Vec<PathBuf>> {
    let triple = host_triple()?;
    let packages: Vec<_> = images.iter().filter_map(|image| package(image.source)).collect();
    if !packages.is_empty() {
        say(format_args!("building static programs: {}", packages.join(", ")));
        process::run(&mut static_build(&triple, &packages))?;
    }
    let folder = workspace::target().join(&triple).join("release");
    let path = |image: &&Image| match image.source {
        Source::Workspace { .. } => Ok(folder.join(image.program)),
        Source::Tool => Ok(cluster::tools::ensure(image.program)?),
    };
    images.iter().map(path).collect()
}

fn package(source: Source) -> Option<&'static str> {
    match source {
        Source::Workspace { package } => Some(package),
        Source::Tool => None,
    }
}

/// Ways of compressing that levels above the fastest ones take; nothing here asks for them.
const SLOW_WAYS: [&str; 7] = ["DFAST", "GREEDY", "LAZY", "LAZY2", "BTLAZY2", "BTOPT", "BTULTRA"];

/// What Zstandard's own sources offer to leave parts of it out.
fn zstd_flags() -> String {
    let flags = SLOW_WAYS.map(|way| format!("-DZSTD_EXCLUDE_{way}_BLOCK_COMPRESSOR"));
    flags.join(" ")
}

/// Static, and with the addresses that a program has to move when it starts packed into a twentieth: of some ten thousand, most
/// stand side by side.
const LINKING: &str = r#"["-C", "target-feature=+crt-static", "-C", "link-arg=-Wl,-z,pack-relative-relocs"]"#;

/// Without `--target` the flags would hold for procedural macros and build scripts too, and a static procedural macro
/// can't be loaded. Given on the command line, they leave the cache of ordinary builds as it is.
fn static_build(triple: &str, packages: &[&str]) -> Command {
    let mut cargo = workspace::cargo();
    cargo.args(["build", "--locked", "--release", "--target", triple]);
    cargo.args(["--config", &format!("target.{triple}.rustflags={LINKING}")]);
    cargo.env("CFLAGS", zstd_flags());
    cargo.args(packages.iter().flat_map(|package| ["--package", package]));
    // These would win over the flags above.
    cargo.env_remove("RUSTFLAGS").env_remove("CARGO_ENCODED_RUSTFLAGS");
    cargo
}

fn host_triple() -> Result<String> {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let version = process::output(Command::new(rustc).arg("-vV"))?;
    let host = version.lines().find_map(|line| line.strip_prefix("host: "));
    host.map(str::to_owned).context("`rustc -vV` doesn't name its host")
}

/// Fails for a program that asks for a loader: in an image that holds nothing else it could not start.
pub fn must_be_static(name: &str, program: &[u8]) -> Result<()> {
    let interpreted = asks_for_a_loader(program).with_context(|| format!("{name} is not a 64-bit ELF program"))?;
    if interpreted {
        bail!("{name} is linked dynamically; an image FROM scratch has no loader for it");
    }
    Ok(())
}

/// Whether an ELF file has a program header of type `PT_INTERP` (System V ABI, chapter 5; 64-bit, little-endian, as on
/// every platform that the images are built for).
fn asks_for_a_loader(elf: &[u8]) -> Result<bool> {
    const PT_INTERP: u32 = 3;
    ensure!(elf.starts_with(b"\x7fELF\x02\x01"), "wrong magic number");
    let table = usize::try_from(u64::from_le_bytes(field(elf, 32)?))?;
    let entry_size = usize::from(u16::from_le_bytes(field(elf, 54)?));
    let entries = usize::from(u16::from_le_bytes(field(elf, 56)?));
    for index in 0..entries {
        let kind = u32::from_le_bytes(field(elf, table.saturating_add(index * entry_size))?);
        if kind == PT_INTERP {
            return Ok(true);
        }
    }
    Ok(false)
}

fn field<const SIZE: usize>(elf: &[u8], offset: usize) -> Result<[u8; SIZE]> {
    let bytes = elf
        .get(offset..)
        .and_then(|rest| rest.first_chunk())
        .context("the file is cut short")?;
    Ok(*bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_test_program_is_dynamic_and_refused() {
        let this = std::fs::read(std::env::current_exe().unwrap()).unwrap();
        let sentence = must_be_static("this", &this).unwrap_err().to_string();
        assert!(sentence.contains("linked dynamically"), "{sentence}");
    }

    #[test]
    fn without_an_interpreter_in_its_headers_a_program_is_static() {
        let mut this = std::fs::read(std::env::current_exe().unwrap()).unwrap();
        // No program headers at all.
        this[56..58].fill(0);
        must_be_static("this", &this).unwrap();
    }

    #[test]
    fn what_is_no_program_is_refused() {
        for bytes in [&b"#!/bin/sh\n"[..], b"", b"\x7fELF\x02\x01"] {
            assert!(must_be_static("this", bytes).is_err());
        }
    }
}
