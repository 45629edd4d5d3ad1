//! A loopback port on which a test talks as it likes.

use std::net::SocketAddr;

use tokio::net::{TcpListener, TcpStream};
use tokio_util::task::TaskTracker;

/// Hands every connection to a free port to `converse`, each on a task of its own.
pub async fn listen<F>(converse: impl Fn(TcpStream) -> F + Send + 'static) -> SocketAddr
where
    F: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    TaskTracker::new().spawn(async move {
        let tasks = TaskTracker::new();
        while let Ok((stream, _)) = listener.accept().await {
            tasks.spawn(converse(stream));
        }
    });
    address
}
