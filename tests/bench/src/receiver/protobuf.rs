//! Reads protobuf without a schema (protobuf.dev/programming-guides/encoding).

use anyhow::{Context, Result, bail};

/// The fields of one message that are of length-delimited type; others are skipped.
#[derive(Debug)]
pub(super) struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    pub(super) const fn of(message: &'a [u8]) -> Self {
        Self(message)
    }

    /// Number and content of the next one.
    pub(super) fn next(&mut self) -> Result<Option<(u64, &'a [u8])>> {
        while !self.0.is_empty() {
            let key = self.varint()?;
            match key & 7 {
                0 => drop(self.varint()?),
                1 => drop(self.take(8)?),
                2 => {
                    let length = self.varint()?;
                    return Ok(Some((key >> 3, self.take(usize::try_from(length)?)?)));
                }
                5 => drop(self.take(4)?),
                other => bail!("wire type {other}"),
            }
        }
        Ok(None)
    }

    fn varint(&mut self) -> Result<u64> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let (byte, rest) = self.0.split_first().context("a number is cut short")?;
            self.0 = rest;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        bail!("a number is too long")
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8]> {
        let (field, rest) = self.0.split_at_checked(length).context("a field is cut short")?;
        self.0 = rest;
        Ok(field)
    }
}
