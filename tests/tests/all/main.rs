//! Every test that needs a real API server, a real node or a real log store, in one program.

mod operator;
mod road;
