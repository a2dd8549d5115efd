//! What holds a pod's namespaces open: it does nothing, for ever. containerd kills it at the pod's end.

fn main() {
    loop {
        std::thread::park();
    }
}
