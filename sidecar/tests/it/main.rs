//! The real program on real files: each test starts it in a directory of its own.

#[cfg(test)]
mod beside;
#[cfg(test)]
mod collector;
#[cfg(test)]
mod confinement;
#[cfg(test)]
mod documentation;
#[cfg(test)]
mod drain;
#[cfg(test)]
mod encodings;
#[cfg(test)]
mod fanout;
#[cfg(test)]
mod finding;
#[cfg(test)]
mod first_configuration;
#[cfg(test)]
mod harness;
#[cfg(test)]
mod lifecycle;
#[cfg(test)]
mod logging;
#[cfg(test)]
mod pacing;
#[cfg(test)]
mod polling;
#[cfg(test)]
mod processing;
#[cfg(test)]
mod reclaim;
#[cfg(test)]
mod reload;
#[cfg(test)]
mod resume;
#[cfg(test)]
mod rewritten;
#[cfg(test)]
mod rotation;
#[cfg(test)]
mod secrets;
#[cfg(test)]
mod storm;
#[cfg(test)]
mod unterminated;
#[cfg(test)]
mod volume;
