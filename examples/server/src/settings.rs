//! What the server can be told: flags, or environment variables of the same meaning.
//!
//! One table names every setting; the parser and the help text both read it. A flag wins over its variable.

use std::fmt::Write;
use std::path::PathBuf;
use std::str::FromStr;

/// How the server behaves.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// Address of the HTTP port.
    pub listen: String,
    /// Folder of both log files.
    pub log_dir: PathBuf,
    /// Requests a second that the server makes to itself.
    pub rate: f64,
    /// How many such requests to make before stopping. `None`: no end.
    pub lines: Option<u64>,
    /// Size at which a log file is rotated.
    pub rotate_bytes: u64,
    /// How many rotated files are kept of each log.
    pub rotate_keep: u32,
}

/// What the command line asks for.
#[derive(Debug, Clone, PartialEq)]
pub enum Invocation {
    /// Serve, in this way.
    Serve(Settings),
    /// Print this text and leave.
    Help(String),
}

/// A setting that can't be used, as a sentence for whoever typed it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SettingError(String);

impl std::fmt::Display for SettingError {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl std::error::Error for SettingError {}

struct Setting {
    flag: &'static str,
    variable: &'static str,
    default: &'static str,
    meaning: &'static str,
}

const LISTEN: Setting = Setting {
    flag: "--listen",
    variable: "SERVER_LISTEN",
    default: "0.0.0.0:8080",
    meaning: "address of the HTTP port",
};
const LOG_DIR: Setting = Setting {
    flag: "--log-dir",
    variable: "SERVER_LOG_DIR",
    default: "/var/log",
    meaning: "folder of access.log and error.log",
};
const RATE: Setting = Setting {
    flag: "--rate",
    variable: "SERVER_RATE",
    default: "10",
    meaning: "requests a second that the server makes to itself; 0 means none",
};
const LINES: Setting = Setting {
    flag: "--lines",
    variable: "SERVER_LINES",
    default: "",
    meaning: "how many of those requests to make in all; empty means no end",
};
const ROTATE_BYTES: Setting = Setting {
    flag: "--rotate-bytes",
    variable: "SERVER_ROTATE_BYTES",
    default: "1048576",
    meaning: "size at which a log file is rotated",
};
const ROTATE_KEEP: Setting = Setting {
    flag: "--rotate-keep",
    variable: "SERVER_ROTATE_KEEP",
    default: "3",
    meaning: "how many rotated files are kept of each log",
};
const ALL: [Setting; 6] = [LISTEN, LOG_DIR, RATE, LINES, ROTATE_BYTES, ROTATE_KEEP];

/// The highest rate that is taken: above it the pacing, not the disk, would be measured.
const MAX_RATE: f64 = 1_000_000.0;

impl Settings {
    /// Reads the command line (without the program's name) and the environment.
    pub fn parse(
        arguments: &[String],
        environment: impl Fn(&str) -> Option<String>,
    ) -> Result<Invocation, SettingError> {
        if arguments.iter().any(|argument| argument == "--help") {
            return Ok(Invocation::Help(help()));
        }
        let flags = flags(arguments)?;
        let text = |setting: &Setting| {
            let flag = flags.iter().rev().find(|(flag, _)| *flag == setting.flag);
            flag.map(|(_, value)| value.clone())
                .or_else(|| environment(setting.variable))
                .unwrap_or_else(|| setting.default.to_owned())
        };
        let lines = text(&LINES);
        Ok(Invocation::Serve(Self {
            listen: text(&LISTEN),
            log_dir: PathBuf::from(text(&LOG_DIR)),
            rate: rate(&text(&RATE))?,
            lines: if lines.is_empty() {
                None
            } else {
                Some(number(&LINES, &lines)?)
            },
            rotate_bytes: number(&ROTATE_BYTES, &text(&ROTATE_BYTES))?,
            rotate_keep: number(&ROTATE_KEEP, &text(&ROTATE_KEEP))?,
        }))
    }
}

/// Reads a rate, also the one of `/rate?rps=N`.
pub fn rate(text: &str) -> Result<f64, SettingError> {
    let rate: f64 = number(&RATE, text)?;
    if (0.0..=MAX_RATE).contains(&rate) {
        Ok(rate)
    } else {
        Err(SettingError(format!(
            "the rate must be between 0 and {MAX_RATE}, not {text:?}"
        )))
    }
}

fn number<N: FromStr>(setting: &Setting, text: &str) -> Result<N, SettingError> {
    text.parse().map_err(|_| {
        SettingError(format!(
            "{} ({}) must be a number, not {text:?}",
            setting.flag, setting.variable
        ))
    })
}

/// Pairs of flag and value, from `--flag value` and `--flag=value`.
fn flags(arguments: &[String]) -> Result<Vec<(&'static str, String)>, SettingError> {
    let mut flags = Vec::new();
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        let (name, inline) = match argument.split_once('=') {
            Some((name, value)) => (name, Some(value.to_owned())),
            None => (argument.as_str(), None),
        };
        let setting = ALL
            .iter()
            .find(|setting| setting.flag == name)
            .ok_or_else(|| SettingError(format!("unknown argument {argument:?}; --help lists what there is")))?;
        let value = inline
            .or_else(|| rest.next().cloned())
            .ok_or_else(|| SettingError(format!("{name} needs a value")))?;
        flags.push((setting.flag, value));
    }
    Ok(flags)
}

fn help() -> String {
    let mut text = "A web server that writes access.log and error.log, and rotates them.\n\n".to_owned();
    for Setting {
        flag,
        variable,
        default,
        meaning,
    } in &ALL
    {
        let _ = writeln!(text, "  {flag:<15} {variable:<20} {meaning} [{default}]");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(arguments: &[&str], variables: &[(&str, &str)]) -> Result<Settings, String> {
        let arguments: Vec<String> = arguments.iter().map(ToString::to_string).collect();
        let environment = |name: &str| {
            variables
                .iter()
                .find(|(key, _)| *key == name)
                .map(|(_, v)| (*v).to_owned())
        };
        match Settings::parse(&arguments, environment).map_err(|error| error.to_string())? {
            Invocation::Serve(settings) => Ok(settings),
            Invocation::Help(text) => Err(text),
        }
    }

    #[test]
    fn a_flag_wins_over_its_variable_and_the_variable_over_the_default() {
        assert_eq!(parse(&[], &[]).unwrap().rotate_keep, 3);
        let variable = [("SERVER_ROTATE_KEEP", "5")];
        assert_eq!(parse(&[], &variable).unwrap().rotate_keep, 5);
        assert_eq!(parse(&["--rotate-keep", "7"], &variable).unwrap().rotate_keep, 7);
        assert_eq!(parse(&["--rotate-keep=9"], &variable).unwrap().rotate_keep, 9);
    }

    #[test]
    fn without_a_number_of_lines_there_is_no_end() {
        assert_eq!(parse(&[], &[]).unwrap().lines, None);
        assert_eq!(parse(&[], &[("SERVER_LINES", "")]).unwrap().lines, None);
        assert_eq!(parse(&[], &[("SERVER_LINES", "0")]).unwrap().lines, Some(0));
    }

    #[test]
    fn what_cannot_be_used_is_named() {
        let cases = [
            (vec!["--rat", "1"], "--rat"),
            (vec!["--rate"], "--rate needs a value"),
            (vec!["--rate", "fast"], "\"fast\""),
            (vec!["--rate", "-1"], "between 0"),
            (vec!["--rate", "NaN"], "between 0"),
            (vec!["--lines", "-1"], "SERVER_LINES"),
        ];
        for (arguments, expected) in cases {
            let sentence = parse(&arguments, &[]).unwrap_err();
            assert!(sentence.contains(expected), "{arguments:?}: {sentence}");
        }
    }

    #[test]
    fn the_help_names_every_setting() {
        let help = parse(&["--help"], &[]).unwrap_err();
        for setting in &ALL {
            assert!(help.contains(setting.flag) && help.contains(setting.variable), "{help}");
        }
    }
}
