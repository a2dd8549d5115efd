//! The beginning of a file, by which it is known again. Of a long one the first bytes are kept and the hash of all that
//! counts, since tens of thousands of files may be tailed. Pure.

use crate::positions::Hashed;

/// The part of a file by which it is known again.
pub(crate) const HEAD: usize = 1 << 10;
/// A shorter beginning is too easily the same by chance.
pub(crate) const LEAST_HEAD: usize = 64;

/// The first bytes of a content, as far as they were read.
#[derive(Clone, Debug, Default)]
pub(crate) struct Head {
    /// All of them while there are fewer than [`HEAD`], else [`LEAST_HEAD`].
    bytes: Vec<u8>,
    /// Of the first [`HEAD`] bytes.
    whole: Option<Hashed>,
}

impl Head {
    /// `bytes` are the first ones of a file, all of them where it has no more than [`HEAD`].
    pub(crate) fn of(bytes: Vec<u8>) -> Self {
        let mut head = Self { bytes, whole: None };
        head.fold();
        head
    }

    /// The first bytes: at least [`LEAST_HEAD`] where so many are known.
    pub(crate) fn start(&self) -> &[u8] {
        &self.bytes
    }

    /// Takes in bytes as they pass by.
    pub(crate) fn push(&mut self, offset: u64, bytes: &[u8]) {
        let have = self.bytes.len();
        let skip = (have as u64).checked_sub(offset);
        let Some(skip) = skip.and_then(|skip| usize::try_from(skip).ok()) else {
            return;
        };
        if self.whole.is_none() && skip < bytes.len() {
            let end = bytes.len().min(skip + HEAD - have);
            self.bytes.extend_from_slice(&bytes[skip..end]);
            self.fold();
        }
    }

    /// The hash that names the content, of what lies below `offset`.
    pub(crate) fn hash(&self, offset: u64) -> Hashed {
        if let Some(whole) = self.whole.filter(|_| offset >= HEAD as u64) {
            return whole;
        }
        let length = self.bytes.len().min(usize::try_from(offset).unwrap_or(usize::MAX));
        Hashed::of(&self.bytes[..length])
    }

    /// Whether a file that begins with `other` may have the same content, as far as is known of both. Nothing is like a
    /// content that nothing is known of.
    pub(crate) fn is_like(&self, other: &[u8]) -> bool {
        if let (Some(whole), Some(other)) = (self.whole, other.get(..HEAD)) {
            return Hashed::of(other) == whole;
        }
        let compared = self.bytes.len().min(other.len());
        !self.bytes.is_empty() && self.bytes[..compared] == other[..compared]
    }

    /// Whether so much is known that another content is hardly like it by chance.
    pub(crate) fn is_telling(&self) -> bool {
        self.bytes.len() >= LEAST_HEAD
    }

    fn fold(&mut self) {
        if self.bytes.len() >= HEAD {
            self.whole = Some(Hashed::of(&self.bytes[..HEAD]));
            self.bytes.truncate(LEAST_HEAD);
        }
        self.bytes.shrink_to_fit();
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_head_is_the_same_however_it_was_read(
            content in prop::collection::vec(any::<u8>(), 0..2 * HEAD),
            cuts in prop::collection::vec(0..2 * HEAD, 0..6),
        ) {
            let mut cuts: Vec<_> = cuts.into_iter().filter(|cut| *cut < content.len()).collect();
            cuts.extend([0, content.len()]);
            cuts.sort_unstable();
            let mut head = Head::default();
            for pair in cuts.windows(2) {
                head.push(pair[0] as u64, &content[pair[0]..pair[1]]);
            }
            let at_once = Head::of(content[..content.len().min(HEAD)].to_vec());
            for offset in [0, 10, LEAST_HEAD as u64, HEAD as u64, u64::MAX] {
                prop_assert_eq!(head.hash(offset), at_once.hash(offset));
            }
            prop_assert_eq!(head.start(), at_once.start());
            prop_assert_eq!(head.is_like(&content), !content.is_empty());
        }
    }

    #[test]
    fn contents_that_differ_within_the_head_are_told_apart() {
        let known = Head::of(vec![b'x'; HEAD]);
        let mut other = vec![b'x'; HEAD];
        other[HEAD - 1] = b'y';
        assert!(!known.is_like(&other));
        assert!(known.is_like(&other[..500]), "as far as it goes");
        assert!(!known.is_like(b"xy"));
        assert!(!Head::default().is_like(b"x"));
    }
}
