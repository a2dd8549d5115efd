//! Finding files, opening them confined to their volume, noticing changes, and cutting bytes into lines.
//!
//! [`lines`] and [`charset`] are pure; [`volume`], [`watcher`] and [`facts`] are the shell around the kernel. Nothing
//! here knows a destination or a position.

pub(crate) mod charset;
pub(crate) mod compressed;
pub(crate) mod facts;
pub(crate) mod lines;
pub(crate) mod volume;
pub(crate) mod walk;
pub(crate) mod watcher;
