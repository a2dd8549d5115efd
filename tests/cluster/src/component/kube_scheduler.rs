//! The scheduler: gives pods the one node there is.

use std::path::PathBuf;

use super::{Launch, path_flag};
use crate::layout::Layout;

/// The name of the component, of its program and of its kubeconfig.
pub(crate) const NAME: &str = "kube-scheduler";

pub(crate) fn launch(program: PathBuf, layout: &Layout) -> Launch {
    let arguments = vec![
        path_flag("kubeconfig", &layout.kubeconfig_of(NAME)),
        "--leader-elect=false".to_owned(),
        "--secure-port=0".to_owned(),
    ];
    Launch {
        name: NAME,
        program,
        arguments,
    }
}
