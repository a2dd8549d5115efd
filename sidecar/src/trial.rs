//! `test`: what a configuration makes of the lines of a file, without shipping anything.
//!
//! Each source of each pipeline gets the whole input, as if it were one of its files and nothing more came. Records are
//! shown as JSON lines, the way `http` sends them; the time of a line that says none is now.

use std::collections::BTreeMap;
use std::sync::Arc;

use pipeline::config::{Loaded, Pipeline};

use crate::batch::{Batch, FileRange, Origin};
use crate::destination::json_lines;
use crate::processing::grouping::Grouping;
use crate::processing::{Memory, Processing, ProcessingError, Program, Scratch};
use crate::reading::charset::Charset;
use crate::reading::lines::{self, Input, LineState, Passage, Tail};

/// The most that is read of an input.
pub const MAX_INPUT: usize = 64 << 20;

/// What one source makes of the input.
#[derive(Debug, PartialEq, Eq)]
pub struct Trial {
    /// `pipeline/source`.
    pub name: String,
    /// JSON lines.
    pub records: Vec<u8>,
    pub count: usize,
    /// Records that a transform left out.
    pub left_out: u64,
    /// Records that aren't of their source's format.
    pub unparsed: u64,
}

/// Tries a configuration on an input. `path` is what the records name as their file, `now` is in nanoseconds since the
/// Unix epoch.
///
/// # Errors
/// Every error of the configuration, as `check` tells them.
pub fn run(text: &str, input: &[u8], (path, now): (&str, i64)) -> Result<Vec<Trial>, Vec<String>> {
    let errors = crate::check::errors(text);
    if !errors.is_empty() {
        return Err(errors);
    }
    let config = pipeline::config::load(text).map_err(|error| vec![error.to_string()])?;
    let mut trials = Vec::new();
    for pipeline in &config.pipelines {
        for source in &pipeline.sources {
            let origin = origin(&config, source, path);
            let name = format!("{}/{}", pipeline.name, source.name);
            let trial = of_source((pipeline, source), origin, (input, now));
            let records = trial.map_err(|error| vec![format!("{name}: {}", crate::process::describe(&error))])?;
            trials.push(Trial { name, ..records });
        }
    }
    Ok(trials)
}

fn of_source(
    (pipeline, source): (&Pipeline, &pipeline::Source),
    origin: Origin,
    (input, now): (&[u8], i64),
) -> Result<Trial, ProcessingError> {
    let grouping = Grouping::new(source)?;
    let program = Program::new(source, &pipeline.transforms)?;
    let (mut memory, mut scratch) = (Memory::default(), Scratch::default());
    let input = &input[..input.len().min(MAX_INPUT)];
    let configured = Charset::of_label(&source.encoding).unwrap_or(Charset::UTF8);
    let mut processing = Processing {
        charset: configured,
        most: usize::MAX,
        grouping: grouping.as_ref(),
        program: program.as_ref(),
        memory: &mut memory,
        scratch: &mut scratch,
    };
    let max_line = usize::try_from(source.max_line_bytes.as_bytes()).unwrap_or(usize::MAX);
    let mut batch = Batch {
        text: input.to_vec(),
        files: vec![FileRange {
            origin: Arc::new(origin),
            bytes: 0..input.len() as u64,
        }],
        ..Batch::default()
    };
    let passage = Passage {
        offset: 0,
        state: LineState::Fresh,
        charset: configured.of_file(input),
        max_line,
        tail: Tail::Ship,
    };
    processing.whole_groups(&batch.text, &passage);
    let whole = Input {
        time: now,
        ..Input::alone(passage)
    };
    lines::split(&mut batch.text, &mut batch.records, whole);
    processing.decode(&mut batch, (0, 0), passage.charset);
    processing.group(&mut batch.records, 0, 0);
    let tally = processing.run(&mut batch, (0, 0));
    Ok(Trial {
        name: String::new(),
        records: json_lines(&batch),
        count: batch.records.len(),
        left_out: tally.filtered.iter().map(|amount| amount.records).sum(),
        unparsed: tally.unparsed,
    })
}

fn origin(config: &Loaded, source: &pipeline::Source, path: &str) -> Origin {
    let resource: BTreeMap<_, _> = config.resource.iter().chain(&source.resource).collect();
    let resource = resource.into_iter().map(|(name, value)| (name.clone(), value.clone()));
    Origin {
        source: source.name.as_str().into(),
        path: path.to_owned(),
        resource: resource.collect(),
        identity: 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONFIG: &str = "pipelines: [{name: shop/logs, \
        sources: [{name: app, paths: [/a/*.log], format: {type: JSON, body: msg}, multiline: {startPattern: '^(\\{|\\S)'}}], \
        transforms: [{drop: {when: {field: level, equals: debug}}}], destinations: [{name: out, stdout: {}}]}]";

    #[test]
    fn records_are_shown_as_they_would_be_sent() {
        let input = b"{\"msg\":\"one\",\"level\":\"info\"}\n{\"msg\":\"two\",\"level\":\"debug\"}\nthree\n  and more";
        let trials = run(CONFIG, input, ("/a/x.log", 1_793_491_200_000_000_000)).unwrap();
        let text = String::from_utf8(trials[0].records.clone()).unwrap();
        let records: Vec<serde_json::Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(
            (records[0]["body"].as_str(), records[0]["log.file.name"].as_str()),
            (Some("one"), Some("x.log"))
        );
        assert_eq!(records[1]["body"], "three\n  and more");
        assert_eq!(records[1]["log.unparsed"], true);
        let trial = &trials[0];
        assert_eq!(
            (trial.name.as_str(), trial.count, trial.left_out, trial.unparsed),
            ("shop/logs/app", 2, 1, 1)
        );
    }

    #[test]
    fn a_configuration_that_is_refused_is_not_tried() {
        let errors = run("pipelines: [{name: a, sources: [], destinations: []}]", b"", ("x", 0)).unwrap_err();
        assert!(!errors.is_empty());
    }
}
