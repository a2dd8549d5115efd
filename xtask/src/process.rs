//! Runs other programs, and turns their failure into a sentence that names the command.

use std::io::{BufRead, BufReader};
use std::iter;
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};

use anyhow::{Context, Result, bail};

/// Runs a program whose output people want to see.
pub fn run(command: &mut Command) -> Result<()> {
    let status = command.status().with_context(|| not_started(command))?;
    succeeded(command, status, "its output is above")
}

/// Runs a program for what it prints on standard output.
pub fn output(command: &mut Command) -> Result<String> {
    let output = command.output().with_context(|| not_started(command))?;
    succeeded(command, output.status, String::from_utf8_lossy(&output.stderr).trim())?;
    String::from_utf8(output.stdout).with_context(|| format!("`{}` printed no text", in_words(command)))
}

/// Runs a program and hands on every line of its standard output while it runs.
pub fn stream(command: &mut Command, mut on_line: impl FnMut(&str)) -> Result<ExitStatus> {
    let mut child = command
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| not_started(command))?;
    if let Some(stdout) = child.stdout.take() {
        let mut lines = BufReader::new(stdout);
        let mut line = Vec::new();
        // Output of tests need not be UTF-8.
        while lines.read_until(b'\n', &mut line)? > 0 {
            on_line(String::from_utf8_lossy(&line).trim_end_matches('\n'));
            line.clear();
        }
    }
    Ok(child.wait()?)
}

/// The command as one would type it in a shell, without folders in front of the program's name.
pub fn in_words(command: &Command) -> String {
    let program = Path::new(command.get_program());
    let name = program.file_name().unwrap_or(program.as_os_str());
    iter::once(name)
        .chain(command.get_args())
        .map(|word| quoted(&word.to_string_lossy()))
        .collect::<Vec<_>>()
        .join(" ")
}

/// In single quotes where a shell would see more than a word.
fn quoted(word: &str) -> String {
    let is_plain = |character: char| character.is_alphanumeric() || "-_=./:,+@%".contains(character);
    if !word.is_empty() && word.chars().all(is_plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

fn succeeded(command: &Command, status: ExitStatus, explanation: &str) -> Result<()> {
    if status.success() {
        return Ok(());
    }
    bail!("`{}` failed ({status}): {explanation}", in_words(command))
}

fn not_started(command: &Command) -> String {
    format!(
        "cannot start `{}`; is it installed?",
        command.get_program().to_string_lossy()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Command {
        let mut shell = Command::new("/bin/sh");
        shell.args(["-c", script]);
        shell
    }

    #[test]
    fn a_failure_names_the_command_and_quotes_what_it_said() {
        let error = output(&mut shell("echo so sorry >&2; exit 3")).unwrap_err().to_string();
        assert!(error.starts_with("`sh -c 'echo so sorry"), "{error}");
        assert!(
            error.contains("exit status: 3") && error.ends_with("so sorry"),
            "{error}"
        );
    }

    #[test]
    fn commands_are_shown_as_a_shell_takes_them() {
        let mut command = Command::new("/opt/tools/logcli");
        command.args(["query", "--limit=5", r#"{app="server"}"#, "it's", ""]);
        assert_eq!(
            in_words(&command),
            r#"logcli query --limit=5 '{app="server"}' 'it'\''s' ''"#
        );
    }

    #[test]
    fn a_program_that_is_not_there_is_named() {
        let error = run(&mut Command::new("/nowhere/kubectl")).unwrap_err().to_string();
        assert!(error.contains("/nowhere/kubectl"), "{error}");
    }

    #[test]
    fn lines_are_handed_on_whatever_bytes_they_hold() {
        let mut lines = Vec::new();
        let status = stream(&mut shell(r"printf 'a\n\377b\nc'; exit 1"), |line| {
            lines.push(line.to_owned());
        })
        .unwrap();
        assert_eq!(
            (status.code(), lines),
            (Some(1), vec!["a".to_owned(), "\u{fffd}b".to_owned(), "c".to_owned()])
        );
    }
}
