//! What measuring an agent takes, whichever it is.
//!
//! * [`lines`]: numbered lines in the shapes that applications write;
//! * [`receiver`]: one server for every agent and every protocol that counts the lines by their numbers, so that what is
//!   missing or came twice is known exactly. It is a process of its own, whose processor time nobody pays for;
//! * [`process`]: what the kernel says of the agent.
//!
//! Which agents there are and what they are measured at is in `xtask/src/bench/sidecar`, their configurations are in
//! `agents/`.

pub mod lines;
pub mod process;
pub mod receiver;
pub mod template;
