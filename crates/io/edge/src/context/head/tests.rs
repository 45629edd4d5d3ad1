use std::sync::Arc;

use http::Request;
use http::header::{HeaderMap, HeaderName, HeaderValue};

use super::{Head, List, Single};

fn admitted(headers: &[(&'static str, &str)]) -> Result<Head, &'static str> {
    let mut parts = Request::new(()).into_parts().0;
    for (name, value) in headers {
        parts.headers.append(*name, HeaderValue::from_str(value).unwrap());
    }
    Head::admit(Arc::new(parts)).map_err(|rejection| rejection.reason)
}

#[test]
fn what_is_read_once_is_there_once() {
    for field in Single::ALL {
        let name = field.name();
        assert_eq!(admitted(&[(name, "a")]).unwrap().single(*field), Some("a"), "{name}");
        for (first, second) in [("own", "foreign"), ("same", "same"), ("", "a")] {
            let reason = admitted(&[(name, first), ("accept", "a"), (name, second)]).unwrap_err();
            assert!(matches!(reason, "header_repeated" | "credential_repeated"), "{name}: {reason}");
        }
    }
}

#[test]
fn lists_and_fields_that_nobody_reads_may_come_in_several_lines() {
    for field in List::ALL {
        let head = admitted(&[(field.name(), "a, b"), (field.name(), ",c")]).unwrap();
        assert_eq!(head.list(*field).count(), 2, "{}", field.name());
        assert_eq!(head.elements(*field).collect::<Vec<_>>(), ["a", "b", "c"], "{}", field.name());
    }
    let head = admitted(&[("x-team", "a"), ("x-team", "b")]).unwrap();
    assert_eq!(head.fields().count(), 2);
}

#[test]
fn the_tables_hold_each_name_once() {
    let names =
        Single::ALL.iter().map(|field| field.name()).chain(List::ALL.iter().map(|field| field.name()));
    let mut all: HeaderMap<()> = HeaderMap::default();
    for name in names {
        assert!(all.insert(HeaderName::from_static(name), ()).is_none(), "{name} twice");
    }
}
