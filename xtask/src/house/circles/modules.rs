//! The modules of a crate, and which file each path leads to.

use std::collections::{BTreeMap, BTreeSet};

use syn::{Item, UseTree};

use super::super::sources::Source;
use super::Imports;
use super::paths::{self, Path};

/// The modules of one crate, inline ones too, by their names from its root.
pub(super) struct Modules<'a> {
    modules: BTreeMap<Path, Module<'a>>,
}

/// What stands in one module.
struct Module<'a> {
    file: &'a str,
    items: BTreeSet<String>,
    /// The names that a `use` brings, and where they come from.
    aliases: BTreeMap<String, Path>,
    /// The modules all of whose names are brought.
    globs: Vec<Path>,
    /// Every path that is named.
    named: Vec<Path>,
}

impl<'a> Modules<'a> {
    /// Reads the files below `folder/src`.
    pub(super) fn read(folder: &str, sources: &[&'a Source]) -> Result<Self, String> {
        let mut modules = Self { modules: BTreeMap::new() };
        for source in sources {
            let parsed = syn::parse_file(&source.lines.join("\n"))
                .map_err(|error| format!("{}: cannot be parsed: {error}", source.path))?;
            let within = source.path.trim_start_matches(folder).trim_start_matches("/src/");
            let mut path: Path = within.trim_end_matches(".rs").split('/').map(str::to_owned).collect();
            if matches!(path.as_slice(), [root] if root == "lib" || root == "main") {
                path.clear();
            }
            modules.add(path, &source.path, &parsed.items);
        }
        Ok(modules)
    }

    fn add(&mut self, path: Path, file: &'a str, items: &[Item]) {
        let mut module = Module {
            file,
            items: BTreeSet::new(),
            aliases: BTreeMap::new(),
            globs: Vec::new(),
            named: Vec::new(),
        };
        for item in items {
            match item {
                Item::Mod(inline) => {
                    if let Some((_, items)) = &inline.content {
                        let child = path.iter().cloned().chain([inline.ident.to_string()]).collect();
                        self.add(child, file, items);
                    }
                }
                Item::Use(import) => module.bring(&import.tree, &mut Vec::new()),
                other => {
                    module.items.extend(paths::defined(other));
                    module.named.extend(paths::named(other));
                }
            }
        }
        self.modules.insert(path, module);
    }

    /// Every file that names something of another one.
    pub(super) fn imports(&self) -> Imports<'a> {
        let mut imports = Imports::new();
        for (at, module) in &self.modules {
            let brought = module.aliases.values().chain(&module.globs);
            for path in brought.chain(&module.named) {
                let Some(file) = self.home(at, path, &mut BTreeSet::new()) else { continue };
                if file != module.file {
                    let name = path.last().cloned().unwrap_or_default();
                    imports.entry((module.file, file)).or_default().insert(name);
                }
            }
        }
        imports
    }

    /// The file where what `path` names in module `at` is defined; `None` for modules and what other crates define.
    fn home(&self, at: &Path, path: &[String], seen: &mut BTreeSet<(Path, String)>) -> Option<&'a str> {
        let (first, rest) = path.split_first()?;
        let module = self.modules.get(at)?;
        match first.as_str() {
            "crate" => return self.home(&Path::new(), rest, seen),
            "self" => return self.home(at, rest, seen),
            "super" => {
                let (_, parent) = at.split_last()?;
                return self.home(&parent.to_vec(), rest, seen);
            }
            _ => {}
        }
        let child: Path = at.iter().chain([first]).cloned().collect();
        if self.modules.contains_key(&child) && !rest.is_empty() {
            return self.home(&child, rest, seen);
        }
        if module.items.contains(first) {
            return Some(module.file);
        }
        // A crate may have the name of what is brought from it, which would lead back here for ever.
        if !seen.insert((at.clone(), first.clone())) {
            return None;
        }
        if let Some(alias) = module.aliases.get(first) {
            let whole: Path = alias.iter().chain(rest).cloned().collect();
            return self.home(at, &whole, seen);
        }
        module.globs.iter().find_map(|glob| {
            let whole: Path = glob.iter().chain(path).cloned().collect();
            self.home(at, &whole, seen)
        })
    }
}

impl Module<'_> {
    fn bring(&mut self, tree: &UseTree, prefix: &mut Path) {
        match tree {
            UseTree::Path(path) => {
                prefix.push(path.ident.to_string());
                self.bring(&path.tree, prefix);
                prefix.pop();
            }
            UseTree::Name(name) if name.ident == "self" => {
                self.aliases.insert(prefix.last().cloned().unwrap_or_default(), prefix.clone());
            }
            UseTree::Name(name) => {
                let name = name.ident.to_string();
                self.aliases.insert(name.clone(), prefix.iter().cloned().chain([name]).collect());
            }
            UseTree::Rename(rename) => {
                let whole = prefix.iter().cloned().chain([rename.ident.to_string()]).collect();
                self.aliases.insert(rename.rename.to_string(), whole);
            }
            UseTree::Glob(_) => self.globs.push(prefix.clone()),
            UseTree::Group(group) => group.items.iter().for_each(|tree| self.bring(tree, prefix)),
        }
    }
}
