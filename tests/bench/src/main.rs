//! `bench receive [--stdin | --tls FILE]`: the receiver. `bench write CONTENT RECORDS FILE`: a file of numbered lines.
//!
//! Both are run by `cargo xtask bench`, which builds this with optimisations.

use std::path::Path;

use anyhow::{Result, bail};
use bench::lines::Content;
use bench::receiver::{self, Input};

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words[..] {
        ["receive"] => receiver::serve(Input::Network),
        ["receive", "--stdin"] => receiver::serve(Input::NetworkAndStdin),
        ["receive", "--tls", file] => receiver::serve(Input::NetworkAndTls(Path::new(file))),
        ["write", content, records, file] => {
            let content: Content = content.parse().map_err(anyhow::Error::msg)?;
            Ok(content.write_file(Path::new(file), records.parse()?)?)
        }
        _ => bail!("usage: bench receive [--stdin | --tls FILE] | bench write CONTENT RECORDS FILE"),
    }
}
