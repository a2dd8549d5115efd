//! As much of HTTP/1.1 (RFC 9112) as agents use.

use std::io::{BufRead, Read, Write};

use anyhow::{Context, Result, ensure};

use super::decode::Coding;

/// More than any agent sends at once.
const MAX_BODY: usize = 256 << 20;

/// What stands before a body.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) method: String,
    pub(super) path: String,
    pub(super) media_type: String,
    pub(super) coding: Coding,
    pub(super) length: Length,
    /// `Expect: 100-continue`
    pub(super) waits: bool,
    /// `Connection: close`
    pub(super) is_last: bool,
    /// Of the head itself.
    pub(super) bytes: u64,
}

/// How a body's end is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Length {
    Known(usize),
    Chunked,
}

impl Default for Length {
    fn default() -> Self {
        Self::Known(0)
    }
}

/// The next request; none when the client has gone.
pub(super) fn read_head(reader: &mut impl BufRead) -> Result<Option<Head>> {
    let mut head = Head::default();
    let mut line = String::new();
    let mut count = reader.read_line(&mut line)?;
    if count == 0 {
        return Ok(None);
    }
    let mut words = line.split_ascii_whitespace().map(str::to_owned);
    head.method = words.next().context("no method")?;
    head.path = words.next().context("no path")?;
    loop {
        head.bytes += count as u64;
        line.clear();
        count = reader.read_line(&mut line)?;
        ensure!(count > 0, "a head is cut short");
        let Some((name, value)) = line.split_once(':') else {
            head.bytes += count as u64;
            return Ok(Some(head));
        };
        head.note(&name.to_ascii_lowercase(), &value.trim().to_ascii_lowercase())?;
    }
}

impl Head {
    fn note(&mut self, name: &str, value: &str) -> Result<()> {
        match (name, value) {
            ("content-length", length) => self.length = Length::Known(length.parse()?),
            ("transfer-encoding", "chunked") => self.length = Length::Chunked,
            ("content-encoding", "gzip") => self.coding = Coding::Gzip,
            ("content-encoding", "zstd") => self.coding = Coding::Zstd,
            ("content-type", media_type) => media_type.clone_into(&mut self.media_type),
            ("expect", "100-continue") => self.waits = true,
            ("connection", "close") => self.is_last = true,
            _ => {}
        }
        Ok(())
    }
}

/// Reads a body into a buffer that only ever grows, and returns its length.
pub(super) fn read_body(reader: &mut impl BufRead, length: Length, buffer: &mut Vec<u8>) -> Result<usize> {
    match length {
        Length::Known(length) => {
            read_more(reader, length, buffer, 0)?;
            Ok(length)
        }
        Length::Chunked => {
            let mut total = 0;
            loop {
                let mut line = String::new();
                reader.read_line(&mut line)?;
                let size = line.trim().split(';').next().unwrap_or_default();
                let size = usize::from_str_radix(size, 16).context("no size of a chunk")?;
                read_more(reader, size, buffer, total)?;
                total += size;
                line.clear();
                reader.read_line(&mut line)?;
                if size == 0 {
                    return Ok(total);
                }
            }
        }
    }
}

fn read_more(reader: &mut impl Read, length: usize, buffer: &mut Vec<u8>, start: usize) -> Result<()> {
    let end = start.saturating_add(length);
    ensure!(end <= MAX_BODY, "a body of more than {MAX_BODY} bytes");
    if buffer.len() < end {
        buffer.resize(end, 0);
    }
    Ok(reader.read_exact(&mut buffer[start..end])?)
}

/// Writes an answer in one piece.
pub(super) fn answer(writer: &mut impl Write, status: &str, media_type: &str, body: &[u8]) -> Result<()> {
    let length = body.len();
    let mut message = match length {
        // An answer without content has no length (RFC 9110, section 8.6).
        0 if status.starts_with("204") => format!("HTTP/1.1 {status}\r\n\r\n"),
        _ => format!("HTTP/1.1 {status}\r\nContent-Type: {media_type}\r\nContent-Length: {length}\r\n\r\n"),
    }
    .into_bytes();
    message.extend_from_slice(body);
    Ok(writer.write_all(&message)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_read_one_after_the_other() {
        let mut wire: &[u8] =
            b"POST /lines HTTP/1.1\r\nContent-Length: 3\r\nContent-Encoding: zstd\r\nExpect: 100-continue\r\n\r\nabc\
            PUT /x HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nde\r\n3;a=b\r\nfgh\r\n0\r\n\r\n";
        let mut body = Vec::new();
        let head = read_head(&mut wire).unwrap().unwrap();
        assert_eq!(
            (head.path.as_str(), head.coding, head.waits),
            ("/lines", Coding::Zstd, true)
        );
        let length = read_body(&mut wire, head.length, &mut body).unwrap();
        assert_eq!(&body[..length], b"abc");
        let head = read_head(&mut wire).unwrap().unwrap();
        let length = read_body(&mut wire, head.length, &mut body).unwrap();
        assert_eq!(&body[..length], b"defgh");
        assert_eq!(read_head(&mut wire).unwrap(), None);
    }

    #[test]
    fn the_length_of_a_head_is_part_of_what_went_over_the_wire() {
        let wire = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n";
        let head = read_head(&mut &wire[..]).unwrap().unwrap();
        assert_eq!(head.bytes, wire.len() as u64);
    }
}
