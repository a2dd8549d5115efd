//! Compressed files: what a rotation leaves of logs that were read before they were compressed. They are no lines, so they
//! are not read, whatever the globs say. Pure.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

/// What the names of compressed files end with: they may be looked at before anything stands in them.
const ENDINGS: [&str; 7] = [".gz", ".bz2", ".xz", ".zst", ".lz4", ".Z", ".zip"];

/// How they begin: gzip (RFC 1952), bzip2, xz, Zstandard (RFC 8878), LZ4 frame, compress, zip.
const BEGINNINGS: [&[u8]; 7] = [
    b"\x1f\x8b\x08",
    b"BZh",
    b"\xfd7zXZ\0",
    b"\x28\xb5\x2f\xfd",
    b"\x04\x22\x4d\x18",
    b"\x1f\x9d",
    b"PK\x03\x04",
];

/// So much of a file tells.
pub(crate) const TELLING: usize = 6;

pub(crate) fn is_named_so(name: &OsStr) -> bool {
    ENDINGS
        .iter()
        .any(|ending| name.as_bytes().ends_with(ending.as_bytes()))
}

pub(crate) fn begins_so(head: &[u8]) -> bool {
    BEGINNINGS.iter().any(|beginning| head.starts_with(beginning))
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn compressed_files_are_told_by_name_or_beginning() {
        for (name, expected) in [
            ("a.log.1.gz", true),
            ("a.zst", true),
            ("a.log", false),
            ("gz", false),
            ("a.gz.log", false),
        ] {
            assert_eq!(is_named_so(name.as_ref()), expected, "{name}");
        }
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(b"a line\n").unwrap();
        assert!(begins_so(&gzip.finish().unwrap()[..TELLING]));
        assert!(begins_so(&zstd::bulk::compress(b"a line\n", 1).unwrap()[..TELLING]));
        for text in [&b""[..], b"2026-11-01 a line\n", "\u{feff}a".as_bytes(), b"\xff\xfea\0"] {
            assert!(!begins_so(text), "{text:?}");
        }
    }
}
