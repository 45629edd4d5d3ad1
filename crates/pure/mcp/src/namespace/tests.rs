use proptest::prelude::*;

use super::*;

fn exportable(name: &str) -> bool {
    (1..=LONGEST).contains(&name.len()) && name.bytes().all(is_exportable)
}

#[test]
fn prefixes_are_literal() {
    let namespace = Namespace::parse("employee_directory_").expect("a prefix");
    assert_eq!(namespace.export("listEmployees"), "employee_directory_listEmployees");
    assert_eq!(Namespace::Disabled.export("listEmployees"), "listEmployees");
    assert_eq!(Namespace::from_app_name("My Ledger/2"), Namespace::Prefix("My_Ledger_2_".to_owned()));
    for wrong in ["", "a b", "ä_", &"x".repeat(33)] {
        assert!(Namespace::parse(wrong).is_err(), "{wrong:?}");
    }
}

#[test]
fn long_and_foreign_names_stay_apart() {
    let namespace = Namespace::Disabled;
    let long = namespace.export(&"a".repeat(65));
    assert_eq!(long.len(), 64);
    assert_ne!(long, namespace.export(&"a".repeat(66)));
    assert_ne!(namespace.export("a.b"), namespace.export("a/b"));
    assert!(namespace.export("a.b").starts_with("a_b_"));
    assert!(exportable(&namespace.export("")));
}

#[test]
fn collisions_name_both_tools() {
    let (a, b) = (Namespace::Prefix("x_".to_owned()), Namespace::Disabled);
    let (first, second) = (vec!["y".to_owned()], vec!["x_y".to_owned(), "z".to_owned()]);
    let apps = [
        AppTools { app: "one", namespace: &a, names: &first },
        AppTools { app: "two", namespace: &b, names: &second },
    ];
    let collisions = ToolTable::build(&apps).expect_err("a clash");
    assert_eq!(collisions.len(), 1);
    insta::assert_snapshot!(collisions[0], @r#"the tool "y" of app "one" and the tool "x_y" of app "two" would both be exported as "x_y": give one of the apps another `toolNamespace.name`"#);
}

proptest! {
    #[test]
    fn a_table_is_a_bijection(
        apps in prop::collection::vec(
            (prop::option::of("[a-c_]{1,3}"), prop::collection::vec("[a-c_.]{1,4}|[a-c]{62,66}", 0..5)), 0..4),
    ) {
        let namespaces: Vec<Namespace> =
            apps.iter().map(|(prefix, _)| prefix.clone().map_or(Namespace::Disabled, Namespace::Prefix)).collect();
        let tools: Vec<AppTools<'_>> = apps
            .iter()
            .zip(&namespaces)
            .map(|((_, names), namespace)| AppTools { app: "app", namespace, names })
            .collect();
        let total: usize = apps.iter().map(|(_, names)| names.len()).sum();
        match ToolTable::build(&tools) {
            Ok(table) => {
                prop_assert_eq!(table.len(), total);
                for (app, (_, names)) in apps.iter().enumerate() {
                    for (tool, bare_name) in names.iter().enumerate() {
                        let exported = table.exported(app, tool).expect("exported");
                        prop_assert!(exportable(exported));
                        let expected = Entry { app, tool, bare_name: bare_name.clone() };
                        prop_assert_eq!(table.resolve(exported), Some(&expected));
                    }
                }
            }
            Err(collisions) => {
                for clash in collisions {
                    let same = clash.first_tool == clash.second_tool;
                    prop_assert!(same || clash.exported.len() <= LONGEST);
                }
            }
        }
    }

    #[test]
    fn exported_names_fit_every_client(prefix in "[A-Za-z0-9_-]{1,32}", bare in "(?s).{0,90}") {
        let namespace = Namespace::parse(&prefix).expect("a prefix");
        prop_assert!(exportable(&namespace.export(&bare)));
    }
}
