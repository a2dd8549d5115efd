//! The scheduler: gives pods a node.

use std::path::PathBuf;

use super::{Launch, path_flag};
use crate::layout::Layout;

/// The name of the component, of its program and of its kubeconfig.
pub(crate) const NAME: &str = "kube-scheduler";

/// With its default of 50 requests a second a thousand pods wait for most of a minute.
const QUERIES_PER_SECOND: u32 = 500;

pub(crate) fn launch(program: PathBuf, layout: &Layout) -> Launch {
    let arguments = vec![
        path_flag("kubeconfig", &layout.kubeconfig_of(NAME)),
        "--leader-elect=false".to_owned(),
        "--secure-port=0".to_owned(),
        format!("--kube-api-qps={QUERIES_PER_SECOND}"),
        format!("--kube-api-burst={}", QUERIES_PER_SECOND * 2),
    ];
    Launch {
        name: NAME,
        program,
        arguments,
    }
}
