//! Numbers at fixed places, little-endian. Pure.

/// Bytes to be written.
pub(super) struct Writer<B>(pub(super) B);

impl<B: AsMut<[u8]>> Writer<B> {
    pub(super) fn put(&mut self, at: usize, bytes: &[u8]) {
        self.0.as_mut()[at..at + bytes.len()].copy_from_slice(bytes);
    }
}

/// Bytes that were read.
#[derive(Clone, Copy)]
pub(super) struct Reader<'a>(pub(super) &'a [u8]);

impl Reader<'_> {
    fn get<const N: usize>(&self, at: usize) -> [u8; N] {
        let mut bytes = [0; N];
        bytes.copy_from_slice(&self.0[at..at + N]);
        bytes
    }

    pub(super) fn u32(&self, at: usize) -> u32 {
        u32::from_le_bytes(self.get(at))
    }

    pub(super) fn u64(&self, at: usize) -> u64 {
        u64::from_le_bytes(self.get(at))
    }

    pub(super) fn i64(&self, at: usize) -> i64 {
        i64::from_le_bytes(self.get(at))
    }

    pub(super) fn u128(&self, at: usize) -> u128 {
        u128::from_le_bytes(self.get(at))
    }
}
