//! The async runtime behind fixtures that run beside a test: an operator, a kubelet. Tests themselves are plain
//! functions.

use std::sync::OnceLock;

use tokio::runtime::Runtime;

static RUNTIME: OnceLock<Runtime> = OnceLock::new();

/// One for the whole process.
///
/// # Panics
/// When the machine has no threads left.
pub fn get() -> &'static Runtime {
    RUNTIME.get_or_init(|| Runtime::new().unwrap_or_else(|error| panic!("no runtime: {error}")))
}
