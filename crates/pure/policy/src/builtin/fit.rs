//! Arguments that the engine's functions read otherwise than OPA's do, made such that both agree.

use regorus::Value;

use super::guard::Exceeded;

/// Arguments to call the engine's function with.
pub(super) type Fitted = Result<Vec<Value>, Misfit>;

/// Why the engine's function is not called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Misfit {
    /// OPA's function has an error for these arguments, which makes the call undefined.
    Undefined,
    /// The engine would give another answer than OPA.
    Refused(Exceeded),
}

/// `numbers.range` and `numbers.range_step`: whole numbers, and a step that leads somewhere.
pub(super) fn range(arguments: &[Value]) -> Fitted {
    let whole = |value: &Value| value.as_f64().is_ok_and(|number| number.fract() == 0.0);
    let leads = arguments.get(2).is_none_or(|step| step.as_f64().is_ok_and(|step| step > 0.0));
    if arguments.iter().all(whole) && leads { Ok(arguments.to_vec()) } else { Err(Misfit::Undefined) }
}

/// `substring`: whole numbers.
pub(super) fn substring(arguments: &[Value]) -> Fitted {
    let whole = |value: &Value| value.as_f64().is_ok_and(|number| number.fract() == 0.0);
    if arguments.iter().skip(1).all(whole) { Ok(arguments.to_vec()) } else { Err(Misfit::Undefined) }
}

/// `indexof` and `indexof_n`: something to look for.
pub(super) fn index(arguments: &[Value]) -> Fitted {
    let is_empty = arguments.get(1).is_some_and(|value| value.as_string().is_ok_and(|text| text.is_empty()));
    if is_empty { Err(Misfit::Undefined) } else { Ok(arguments.to_vec()) }
}

/// `to_number`: no space around the number.
pub(super) fn number(arguments: &[Value]) -> Fitted {
    let spaced = |value: &Value| value.as_string().is_ok_and(|text| text.trim().len() != text.len());
    if arguments.iter().any(spaced) { Err(Misfit::Undefined) } else { Ok(arguments.to_vec()) }
}

/// `units.parse` and `units.parse_bytes`: no units beyond exa, and an exponent of six digits at most.
pub(super) fn units(arguments: &[Value]) -> Fitted {
    let beyond = |text: &str| text.contains(['Z', 'z', 'Y', 'y']);
    let large = |text: &str| {
        text.split(['e', 'E']).skip(1).any(|rest| {
            rest.trim_start_matches(['+', '-']).bytes().take_while(u8::is_ascii_digit).count() > 6
        })
    };
    let misfit = |value: &Value| value.as_string().is_ok_and(|text| beyond(text) || large(text));
    if arguments.iter().any(misfit) { Err(Misfit::Undefined) } else { Ok(arguments.to_vec()) }
}

/// `format_int`: a number of 64 bits.
pub(super) fn format_int(arguments: &[Value]) -> Fitted {
    let is_large = arguments.first().is_some_and(|value| {
        let beyond = |number: f64| number.abs() >= 9_223_372_036_854_775_808.0;
        matches!(value, Value::Number(_)) && value.as_i64().is_err() && value.as_f64().map_or(true, beyond)
    });
    if is_large { Err(Misfit::Refused(Exceeded::Arguments)) } else { Ok(arguments.to_vec()) }
}

/// `json.is_valid`: what is no text is none.
#[expect(clippy::unnecessary_wraps, reason = "has the shape of every function of the table")]
pub(super) fn json_text(arguments: &[Value]) -> Fitted {
    Ok(text_or(arguments, "{"))
}

/// The arguments, with `other` in place of what is no text.
pub(super) fn text_or(arguments: &[Value], other: &str) -> Vec<Value> {
    let text = |value: &Value| if value.as_string().is_ok() { value.clone() } else { Value::from(other) };
    arguments.iter().map(text).collect()
}

/// `json.filter` and `json.remove`: a path in one text is a JSON pointer (RFC 6901), which need not begin with `/`.
#[expect(clippy::unnecessary_wraps, reason = "has the shape of every function of the table")]
pub(super) fn paths(arguments: &[Value]) -> Fitted {
    let pointer = |path: &Value| match path.as_string() {
        Ok(text) if text.contains(['/', '~']) => {
            let steps = text.trim_start_matches('/').split('/');
            let steps = steps.map(|step| Value::from(step.replace("~1", "/").replace("~0", "~")));
            Value::from(steps.collect::<Vec<_>>())
        }
        _ => path.clone(),
    };
    let paths = |value: &Value| match value {
        Value::Array(paths) => Value::from(paths.iter().map(pointer).collect::<Vec<_>>()),
        Value::Set(paths) => Value::from(paths.iter().map(pointer).collect::<Vec<_>>()),
        other => other.clone(),
    };
    let mut fitted = arguments.to_vec();
    if let Some(last) = fitted.get_mut(1) {
        *last = paths(last);
    }
    Ok(fitted)
}

/// `urlquery.decode` and `urlquery.decode_object`: two hexadecimal digits behind each `%`.
pub(super) fn escaped(arguments: &[Value]) -> Fitted {
    let sound = |value: &Value| {
        value.as_string().map_or(true, |text| {
            text.split('%').skip(1).all(|rest| {
                let mut bytes = rest.bytes();
                [bytes.next(), bytes.next()]
                    .iter()
                    .all(|byte| byte.is_some_and(|byte| byte.is_ascii_hexdigit()))
            })
        })
    };
    if arguments.iter().all(sound) { Ok(arguments.to_vec()) } else { Err(Misfit::Undefined) }
}

/// `urlquery.decode_object`: as [`escaped`], and `;` separates nothing.
pub(super) fn escaped_object(arguments: &[Value]) -> Fitted {
    let separated = |value: &Value| value.as_string().is_ok_and(|text| text.contains(';'));
    if arguments.iter().any(separated) { Err(Misfit::Undefined) } else { escaped(arguments) }
}

/// `time.parse_rfc3339_ns`: capital letters, `T` before the time, and no second more than a minute has.
pub(super) fn rfc3339(arguments: &[Value]) -> Fitted {
    let other = |value: &Value| {
        value.as_string().is_ok_and(|text| text.contains(['t', 'z', ' ']) || text.get(17..19) == Some("60"))
    };
    if arguments.iter().any(other) { Err(Misfit::Undefined) } else { Ok(arguments.to_vec()) }
}
