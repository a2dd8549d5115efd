//! The chart: the rights that it grants, the policy that it installs, and what it renders.

mod admission;
mod rendering;
mod rights;
mod upgrade;
