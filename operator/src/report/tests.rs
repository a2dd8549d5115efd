//! What is said about a LogShipping, in the words that users read.
