//! Content codings (RFC 9110 section 8.4): how request bodies are compressed on their way.
//!
//! Speed counts more than size, for it is the application's processor. gzip runs at level 1; zstd at one of its fast
//! levels below: of JSON lines they leave a ninth instead of a thirteenth, in half the time.
//! Contexts and buffers are kept between requests, so that a request allocates nothing but its body.

use std::io;

use bytes::Bytes;
use flate2::{Compress, FlushCompress, Status};
use pipeline::destination::Compression;
use zstd::bulk::Compressor as Zstd;
use zstd::zstd_safe::compress_bound;

const GZIP_LEVEL: flate2::Compression = flate2::Compression::fast();
/// The largest window that gzip knows.
const GZIP_WINDOW_BITS: u8 = 15;
const ZSTD_LEVEL: i32 = -2;

/// What a receiver is told about a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Coding {
    Identity,
    Gzip,
    Zstd,
}

impl Coding {
    /// For receivers of which nothing is known but that they speak HTTP: they needn't understand any coding, so `Auto`
    /// is none. Snappy and LZ4 are no registered codings, and those who take them differ in the framing.
    pub(super) fn of_http(compression: Compression) -> Option<Self> {
        match compression {
            Compression::Auto | Compression::None => Some(Self::Identity),
            Compression::Gzip => Some(Self::Gzip),
            Compression::Zstd => Some(Self::Zstd),
            Compression::Snappy | Compression::Lz4 => None,
        }
    }

    /// The value of `Content-Encoding`, if one is needed.
    pub(super) const fn token(self) -> Option<&'static str> {
        match self {
            Self::Identity => None,
            Self::Gzip => Some("gzip"),
            Self::Zstd => Some("zstd"),
        }
    }
}

/// Compresses the bodies of one destination.
pub(super) struct Compressor {
    method: Method,
    /// Where compressed bodies are written before they are copied out at their length.
    block: Vec<u8>,
}

enum Method {
    Identity,
    Gzip(Box<Compress>),
    Zstd(Box<Zstd<'static>>),
}

impl std::fmt::Debug for Compressor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Compressor").finish_non_exhaustive()
    }
}

impl Compressor {
    /// # Errors
    /// When there is no memory for a context.
    pub(super) fn new(coding: Coding) -> io::Result<Self> {
        let method = match coding {
            Coding::Identity => Method::Identity,
            Coding::Gzip => Method::Gzip(Box::new(Compress::new_gzip(GZIP_LEVEL, GZIP_WINDOW_BITS))),
            Coding::Zstd => Method::Zstd(Box::new(Zstd::new(ZSTD_LEVEL)?)),
        };
        Ok(Self {
            method,
            block: Vec::new(),
        })
    }

    /// Bytes of the buffer that is kept between requests.
    pub(super) fn buffer(&self) -> usize {
        self.block.capacity()
    }

    /// `text` as it travels; what isn't compressed isn't copied either, and the buffer is gone with it.
    ///
    /// # Errors
    /// When there is no memory for it.
    pub(super) fn compress(&mut self, text: &mut Vec<u8>) -> io::Result<Bytes> {
        self.block.clear();
        match &mut self.method {
            Method::Identity => return Ok(std::mem::take(text).into()),
            Method::Gzip(context) => gzip(context, text, &mut self.block)?,
            Method::Zstd(context) => {
                self.block.reserve(compress_bound(text.len()));
                context.compress_to_buffer(text, &mut self.block)?;
            }
        }
        Ok(Bytes::copy_from_slice(&self.block))
    }
}

/// The output grows as it is needed: how little that is is known only at the end.
fn gzip(context: &mut Compress, text: &[u8], out: &mut Vec<u8>) -> io::Result<()> {
    context.reset();
    loop {
        out.reserve(text.len() / 4 + 1024);
        let read = usize::try_from(context.total_in()).unwrap_or(usize::MAX);
        let rest = text.get(read..).unwrap_or_default();
        if context.compress_vec(rest, out, FlushCompress::Finish)? == Status::StreamEnd {
            return Ok(());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    fn text(size: usize) -> Vec<u8> {
        let mut text = Vec::new();
        for number in 0.. {
            text.extend_from_slice(
                format!("{{\"body\":\"line {number}\",\"log.file.path\":\"/var/log/a\"}}\n").as_bytes(),
            );
            if text.len() >= size {
                break;
            }
        }
        text.truncate(size);
        text
    }

    fn read_back(coding: Coding, body: &[u8]) -> Vec<u8> {
        let mut text = Vec::new();
        match coding {
            Coding::Identity => text.extend_from_slice(body),
            Coding::Gzip => _ = flate2::read::GzDecoder::new(body).read_to_end(&mut text).unwrap(),
            Coding::Zstd => text = zstd::decode_all(body).unwrap(),
        }
        text
    }

    #[test]
    fn what_was_compressed_is_read_back_and_a_context_serves_many_bodies() {
        for coding in [Coding::Identity, Coding::Gzip, Coding::Zstd] {
            let mut compressor = Compressor::new(coding).unwrap();
            for size in [0, 1, 100_000, 7, 3_000_000] {
                let text = text(size);
                let body = compressor.compress(&mut text.clone()).unwrap();
                assert!(
                    coding == Coding::Identity || size < 1000 || body.len() * 5 < size,
                    "{coding:?} {size}"
                );
                assert_eq!(read_back(coding, &body), text, "{coding:?} {size}");
                let again = compressor.compress(&mut text.clone()).unwrap();
                assert_eq!(body, again, "the same text makes the same body");
            }
        }
    }

    #[test]
    fn noise_that_can_not_be_compressed_fits_too() {
        let mut noise = Vec::new();
        let mut state = 1_u64;
        while noise.len() < 500_000 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            noise.extend_from_slice(&state.to_le_bytes()[4..]);
        }
        for coding in [Coding::Gzip, Coding::Zstd] {
            let body = Compressor::new(coding).unwrap().compress(&mut noise.clone()).unwrap();
            assert_eq!(read_back(coding, &body), noise, "{coding:?}");
        }
    }

    #[test]
    fn only_codings_that_receivers_agree_on_are_used() {
        let tokens = [
            Compression::Auto,
            Compression::None,
            Compression::Gzip,
            Compression::Zstd,
            Compression::Snappy,
            Compression::Lz4,
        ]
        .map(|compression| Coding::of_http(compression).map(Coding::token));
        assert_eq!(
            tokens,
            [
                Some(None),
                Some(None),
                Some(Some("gzip")),
                Some(Some("zstd")),
                None,
                None
            ]
        );
    }
}
