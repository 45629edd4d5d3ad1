use crate::model::listing::Offered;
use crate::model::tests::model;
use crate::model::{CatalogError, Model, ModelCatalog};
use crate::route::{Route, attempts};

fn routed(id: &str, upstream: &str) -> Model {
    Model { routes: vec![Route { app: "provider".into(), model: upstream.into() }], ..model(id) }
}

fn upstream_of(catalog: &ModelCatalog, id: &str) -> String {
    let asked = catalog.find(id).unwrap();
    attempts(asked).next().unwrap().model.into_owned()
}

#[test]
fn a_pattern_stands_for_every_id_that_begins_so() {
    let catalog = ModelCatalog::new(vec![model("claude-*")]).unwrap();
    for id in ["claude-opus-5-5", "claude-haiku-4-5-20251001", "claude-opus-5-5[1m]", "claude-x/y:1@z"] {
        assert_eq!(upstream_of(&catalog, id), id);
        assert!(catalog.find(id).unwrap().is_open());
    }
    for id in [
        "claude-",
        "claude",
        "Claude-opus",
        "gpt-4",
        "claude-*",
        "claude-a b",
        "claude-é",
        "claude-a\u{200b}",
        "",
    ] {
        assert!(catalog.find(id).is_err(), "{id:?}");
    }
}

#[test]
fn the_most_exact_entry_answers() {
    let catalog = ModelCatalog::new(vec![
        routed("*", "any-*"),
        routed("claude-*", "claude-*"),
        routed("claude-opus-*", "vendor/claude-opus-*@eu"),
        routed("claude-haiku-*", "small"),
        routed("claude-opus-5-5", "exact"),
    ])
    .unwrap();
    for (id, upstream) in [
        ("claude-opus-5-5", "exact"),
        ("claude-opus-4-8", "vendor/claude-opus-4-8@eu"),
        ("claude-haiku-9", "small"),
        ("claude-sonnet-5", "claude-sonnet-5"),
        ("gpt-4", "any-gpt-4"),
    ] {
        assert_eq!(upstream_of(&catalog, id), upstream, "{id}");
    }
    assert!(!catalog.find("claude-opus-5-5").unwrap().is_open());
}

#[test]
fn names_of_the_provider_lead_back() {
    let pattern = routed("claude-*", "vendor/claude-*@eu");
    let back = |theirs: &str| pattern.id_of("vendor/claude-*@eu", theirs);
    assert_eq!(back("vendor/claude-opus-5@eu").as_deref(), Some("claude-opus-5"));
    for other in ["claude-opus-5", "vendor/claude-opus-5", "vendor/claude-@eu", "vendor/claude-a b@eu"] {
        assert_eq!(back(other), None, "{other}");
    }
    assert_eq!(pattern.id_of("always-this", "always-this"), None);
    let offered =
        Offered { display_name: Some("Opus 5".into()), max_input_tokens: Some(7), ..Offered::default() };
    let entry = pattern.offered_as("claude-opus-5".into(), &offered);
    assert_eq!((entry.id.as_str(), entry.display_name.as_str()), ("claude-opus-5", "Opus 5"));
    assert_eq!((entry.max_input_tokens, &entry.routes), (Some(7), &pattern.routes));
}

#[test]
fn patterns_that_are_none_say_what_one_is() {
    for id in ["claude-*-5", "*-opus", "claude-**", "a*b*"] {
        let error = ModelCatalog::new(vec![model(id)]).unwrap_err();
        assert_eq!(error, CatalogError::Pattern(id.into()));
        assert!(error.to_string().contains("once, at the end, such as `claude-*`"), "{error}");
    }
    for (id, upstream) in [("claude-opus", "vendor-*"), ("claude-*", "a-*-*")] {
        let error = ModelCatalog::new(vec![routed(id, upstream)]).unwrap_err();
        assert_eq!(error, CatalogError::RoutePattern(upstream.into()));
    }
    let defaults = Model { family_default: true, ..model("claude-*") };
    assert_eq!(ModelCatalog::new(vec![defaults]).unwrap_err(), CatalogError::ManyDefaults("claude-*".into()));
    let twice = ModelCatalog::new(vec![model("claude-*"), model("claude-*")]).unwrap_err();
    assert_eq!(twice, CatalogError::Duplicate("claude-*".into()));
}
