//! A door behind a loopback port, in the runtime of a test.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use gatehouse_config::snapshot::Snapshot;
use gatehouse_edge::door::{ActiveConfig, Door, DoorDeps, OriginRules};
use gatehouse_edge::server::address::TrustedProxies;
use gatehouse_edge::server::admission::HostRules;
use gatehouse_edge::server::routes::RouteTable;
use gatehouse_edge::server::{Drain, Listener, ListenerLimits};

/// A port that is taken and not served yet: a configuration can name it.
pub struct Port {
    listener: Listener,
    /// Where it is.
    pub address: SocketAddr,
}

/// A door that is served until this is dropped.
pub struct Serving {
    /// The door.
    pub door: Arc<Door>,
    stop: CancellationToken,
}

impl Port {
    /// Any free port.
    pub async fn take() -> Self {
        let listener = Listener::bind("127.0.0.1:0".parse().unwrap(), None).await.unwrap();
        let address = listener.local_addr().unwrap();
        Self { listener, address }
    }

    /// Serves `running` here.
    pub fn serve(self, running: ActiveConfig, deps: DoorDeps) -> Serving {
        let door = Arc::new(Door::new(running, deps));
        let stop = CancellationToken::new();
        let limits = ListenerLimits {
            header_read_timeout: Duration::from_secs(30),
            drain: Drain::within(Duration::from_secs(1)),
            ..ListenerLimits::default()
        };
        TaskTracker::new().spawn(self.listener.serve(Arc::clone(&door), stop.clone(), limits));
        Serving { door, stop }
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// `routes` under the hosts of `snapshot`, for no web page, with nobody in front.
pub fn running(snapshot: Arc<Snapshot>, routes: RouteTable) -> ActiveConfig {
    ActiveConfig {
        hosts: HostRules::new(snapshot.ingress.allowed_hosts.clone()),
        origins: OriginRules::new([]),
        proxies: TrustedProxies::new(Vec::new()),
        routes,
        snapshot,
    }
}
