//! The contract for writing into a Deployment that somebody else owns, on a real API server with real controllers.
//! The owner is kubectl, in each of the ways in which owners write.

mod drift;
mod injection;
mod owner;
mod owner_acts;
mod removal;
mod resources;
mod shrinking;
mod transitions;
mod volumes;
mod why_not;
