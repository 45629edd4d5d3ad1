//! The tools of one app: under which names they are offered, and what they take in memory.
//!
//! Names are unique within a list: tools that claim one exported name are all left out, none is picked by its place.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher, Hash as _, Hasher as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use gatehouse_config::snapshot::mcp::McpApp;
use gatehouse_edge::memory::Held;
use gatehouse_edge::rejection::Rejection;
use gatehouse_mcp::namespace::Namespace;
use gatehouse_mcp::tool::Tool;
use gatehouse_mcp::weight;

use crate::resource::Endpoint;
use crate::upstream::answer_reader::over_budget;

/// How many names a line of the log repeats.
const TOLD: usize = 8;
/// What an `Arc` has beside what it holds: two counters.
const COUNTERS: usize = 2 * size_of::<usize>();

/// The tools of one app, as one caller gets them.
#[derive(Clone)]
pub(crate) struct AppCatalog {
    content: Arc<Content>,
    doubted: Arc<AtomicBool>,
}

/// The tools of one app. Callers whose lists say the same share it.
pub(crate) struct Content {
    exported_tools: Box<[Arc<ExportedTool>]>,
    /// Places of the exported tools, in the order of their qualified names.
    by_qualified: Box<[u32]>,
    /// The same, in the order of their bare names.
    by_bare: Box<[u32]>,
    /// Names at the endpoint for all apps that were left out, because several of its tools claim them; in order.
    contested: Box<[Box<str>]>,
    left_out: LeftOut,
    /// Why the rest of the list could not be had.
    broken: Option<Rejection>,
    bytes: usize,
    /// What the upstream's account has for it; the tools of a bridge are those of the configuration.
    held: Option<Held>,
}

/// One tool of an app.
#[derive(PartialEq, Eq)]
pub(crate) struct ExportedTool {
    pub(crate) tool: Tool,
    /// Its name at the endpoint for all apps, which policies and audit use everywhere.
    pub(crate) qualified: Box<str>,
    /// Its name at the endpoint for its app.
    pub(crate) bare: Box<str>,
}

/// What there was no room for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct LeftOut {
    /// Definitions that were seen.
    pub(crate) tools: usize,
    /// Whether there may be more that were not read.
    pub(crate) unread: bool,
}

impl LeftOut {
    pub(crate) fn is_none(self) -> bool {
        self == Self::default()
    }
}

impl AppCatalog {
    /// `doubted` is shared by those who asked in one way.
    pub(crate) fn new(content: Arc<Content>, doubted: &Arc<AtomicBool>) -> Self {
        Self { content, doubted: Arc::clone(doubted) }
    }

    /// The upstream contradicts the list: the next caller asks it again.
    pub(crate) fn doubt(&self) {
        self.doubted.store(true, Ordering::Relaxed);
    }

    /// The tools in their app's order.
    pub(crate) fn exported_tools(&self) -> &[Arc<ExportedTool>] {
        &self.content.exported_tools
    }

    /// What there was no room for.
    pub(crate) fn left_out(&self) -> LeftOut {
        self.content.left_out
    }

    /// Why the rest of the list could not be had: the app may have more tools than these.
    pub(crate) fn broken(&self) -> Option<&Rejection> {
        self.content.broken.as_ref()
    }

    /// Every name at the endpoint for all apps that is this app's, whether it can be called or not.
    pub(crate) fn claims(&self) -> impl Iterator<Item = &str> {
        let offered = self.content.exported_tools.iter().map(|exported_tool| &*exported_tool.qualified);
        offered.chain(self.content.contested.iter().map(AsRef::as_ref))
    }

    /// Whether the app has claimed `name` at `endpoint` more than once, so that nobody gets it.
    pub(crate) fn contests(&self, endpoint: &Endpoint, name: &str) -> bool {
        endpoint.app.is_none() && self.content.contested.binary_search_by(|one| (**one).cmp(name)).is_ok()
    }

    /// The tool that `endpoint` exports as `name`, and its place in the app's order.
    pub(crate) fn find(&self, endpoint: &Endpoint, name: &str) -> Option<(usize, &Arc<ExportedTool>)> {
        let Content { exported_tools, by_qualified, by_bare, .. } = &*self.content;
        let places = if endpoint.app.is_some() { by_bare } else { by_qualified };
        let exported = |place: &u32| {
            exported_tools.get(*place as usize).map(|exported_tool| exported_tool.exported(endpoint))
        };
        let found = places.binary_search_by(|place| exported(place).cmp(&Some(name))).ok()?;
        let place = *places.get(found)? as usize;
        Some((place, exported_tools.get(place)?))
    }
}

impl Content {
    /// The tools under their names. What they take is counted in `held`, or not at all where it is not given.
    pub(crate) fn new(
        app: &McpApp,
        tools: Vec<Tool>,
        left_out: LeftOut,
        held: Option<Held>,
    ) -> Result<Self, Rejection> {
        let mut exported_tools: Vec<ExportedTool> =
            tools.into_iter().map(|tool| ExportedTool::new(app, tool)).collect();
        let mut contested = Vec::new();
        for name in [ExportedTool::qualified, ExportedTool::bare] {
            let twice = repeated(&exported_tools, name);
            if !twice.is_empty() {
                let names: Vec<&str> = twice.iter().map(AsRef::as_ref).take(TOLD).collect();
                let count = twice.len();
                tracing::warn!(app = %app.name, ?names, count, "tools that claim one name are left out");
                let claimed = |exported_tool: &mut ExportedTool| twice.contains(name(exported_tool));
                contested.extend(
                    exported_tools.extract_if(.., claimed).map(|exported_tool| exported_tool.qualified),
                );
            }
        }
        contested.sort_unstable();
        contested.dedup();
        let mut content = Self {
            by_qualified: ordered(&exported_tools, ExportedTool::qualified),
            by_bare: ordered(&exported_tools, ExportedTool::bare),
            exported_tools: exported_tools.into_iter().map(Arc::new).collect(),
            contested: contested.into(),
            left_out,
            broken: None,
            bytes: 0,
            held,
        };
        content.bytes = content.weigh();
        if let Some(held) = &mut content.held {
            match content.bytes.checked_sub(held.bytes()) {
                Some(more) if more > 0 => held.grow(more).map_err(over_budget)?,
                _ => held.shrink_to(content.bytes),
            }
        }
        Ok(content)
    }

    /// The same of a list that broke off.
    pub(crate) fn broken_by(self, broken: Option<Rejection>) -> Self {
        Self { broken, ..self }
    }

    /// What it takes in memory. The tools of a bridge are held by the configuration.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    fn weigh(&self) -> usize {
        let names = self
            .exported_tools
            .iter()
            .flat_map(|exported_tool| [exported_tool.qualified.len(), exported_tool.bare.len()]);
        let contested = self.contested.iter().map(|name| name.len());
        let names: usize = names.chain(contested).map(weight::allocation).sum();
        let tools =
            self.exported_tools.iter().map(|exported_tool| exported_tool.tool.held_bytes()).sum::<usize>();
        names
            + if self.held.is_some() { tools } else { 0 }
            + weight::allocation(size_of_val(&*self.exported_tools))
            + self.exported_tools.len() * weight::allocation(size_of::<ExportedTool>() + COUNTERS)
            + 2 * weight::allocation(size_of_val(&*self.by_bare))
            + weight::allocation(size_of_val(&*self.contested))
            + size_of::<Self>()
    }

    /// A digest of what it says, for finding another one that says the same.
    pub(crate) fn digest(&self, hasher: &impl BuildHasher) -> u64 {
        let mut state = hasher.build_hasher();
        for exported_tool in &self.exported_tools {
            exported_tool.tool.definition().get().hash(&mut state);
        }
        self.contested.hash(&mut state);
        state.finish()
    }

    /// Whether `other`, a list of the same app, says the same.
    pub(crate) fn says(&self, other: &Self) -> bool {
        let said = |content: &Self| (content.left_out, content.broken.as_ref().map(|broken| broken.reason));
        (&self.exported_tools, &self.contested, said(self))
            == (&other.exported_tools, &other.contested, said(other))
    }
}

impl ExportedTool {
    fn new(app: &McpApp, tool: Tool) -> Self {
        let export = |namespace: &Namespace| namespace.export(tool.name()).into_boxed_str();
        Self { qualified: export(&app.namespace), bare: export(&Namespace::Disabled), tool }
    }

    fn qualified(&self) -> &str {
        &self.qualified
    }

    fn bare(&self) -> &str {
        &self.bare
    }

    /// The name that `endpoint` exports the tool under.
    pub(crate) fn exported(&self, endpoint: &Endpoint) -> &str {
        if endpoint.app.is_some() { &self.bare } else { &self.qualified }
    }
}

/// The names that several tools claim.
fn repeated(exported_tools: &[ExportedTool], name: fn(&ExportedTool) -> &str) -> HashSet<Box<str>> {
    let mut claims: HashMap<&str, bool> = HashMap::with_capacity(exported_tools.len());
    for exported_tool in exported_tools {
        claims.entry(name(exported_tool)).and_modify(|again| *again = true).or_default();
    }
    claims.into_iter().filter(|(_, again)| *again).map(|(name, _)| name.into()).collect()
}

/// The places of tools, in the order of their names.
fn ordered(exported_tools: &[ExportedTool], name: fn(&ExportedTool) -> &str) -> Box<[u32]> {
    let mut places: Vec<u32> = (0..).take(exported_tools.len()).collect();
    places.sort_unstable_by_key(|place| exported_tools.get(*place as usize).map(name));
    places.into()
}
