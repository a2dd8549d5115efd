//! The operator beside the tools with which owners write their Deployments. `docs/gitops.md` says what users have to know
//! of each; the tests here are what backs it.

mod by_hand;
mod fight;
mod git;
mod lane;
mod side_by_side;
