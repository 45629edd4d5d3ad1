//! Times, where the engine's functions and OPA's part.

use regorus::Value;

use super::call_engine;
use super::fit::{Fitted, Misfit};
use super::guard::{Exceeded, Guard, Meter};

const SECOND: i128 = 1_000_000_000;
const DAY: i128 = 86_400 * SECOND;
/// Layouts whose last word is the short name of a zone.
const NAMED: [(&str, &str); 4] = [
    ("RFC822", "02 Jan 06 15:04 MST"),
    ("UnixDate", "Mon Jan _2 15:04:05 MST 2006"),
    ("RFC850", "Monday, 02-Jan-06 15:04:05 MST"),
    ("RFC1123", "Mon, 02 Jan 2006 15:04:05 MST"),
];

/// `time.format`: no layout means that of the shortest function. Short names of zones are those of UTC only: which one
/// a zone has at a time, only OPA's library knows.
pub(super) fn format(arguments: &[Value]) -> Fitted {
    let Some(Value::Array(parts)) = arguments.first() else { return Ok(arguments.to_vec()) };
    let [time, zone, layout] = parts.as_slice() else { return Ok(arguments.to_vec()) };
    let (Ok(zone_name), Ok(written)) = (zone.as_string(), layout.as_string()) else {
        return Ok(arguments.to_vec());
    };
    if written.starts_with("Stamp") {
        return Err(Misfit::Refused(Exceeded::Layout));
    }
    if written.is_empty() {
        return Ok(vec![Value::from(vec![time.clone(), zone.clone()])]);
    }
    let layout = NAMED.iter().find(|(name, _)| *name == &**written).map_or(&**written, |found| found.1);
    if !layout.contains("MST") {
        // The engine writes three, six or nine digits of a second.
        let digits = layout.split(['.', ',']).skip(1);
        let odd =
            digits.map(|rest| rest.len() - rest.trim_start_matches('0').len()).any(|count| count % 3 != 0);
        return if odd { Err(Misfit::Refused(Exceeded::Layout)) } else { Ok(arguments.to_vec()) };
    }
    if !matches!(&**zone_name, "" | "UTC") {
        return Err(Misfit::Refused(Exceeded::Layout));
    }
    Ok(vec![Value::from(vec![time.clone(), zone.clone(), Value::from(layout.replace("MST", "UTC"))])])
}

/// `time.parse_ns`: a layout with a whole date and no short name of a zone but that of UTC.
pub(super) fn parse(arguments: &[Value]) -> Fitted {
    let [layout, text] = arguments else { return Err(Misfit::Undefined) };
    let (Ok(written), Ok(value)) = (layout.as_string(), text.as_string()) else {
        return Ok(arguments.to_vec());
    };
    let layout = NAMED.iter().find(|(name, _)| *name == &**written).map_or(&**written, |found| found.1);
    // Parts of a date, and days that may have a space before them, the engine does not read.
    if layout.contains("_2") && layout == &**written || matches!(layout, "06" | "2006") {
        return Err(Misfit::Refused(Exceeded::Layout));
    }
    let is_utc = value.contains("UTC") || value.contains("GMT");
    if layout.contains("MST") && !is_utc {
        return Err(Misfit::Refused(Exceeded::Layout));
    }
    Ok(arguments.to_vec())
}

/// `time.parse_duration_ns`: also days and weeks.
pub(super) fn duration(arguments: &[Value]) -> Fitted {
    let [value] = arguments else { return Err(Misfit::Undefined) };
    let Ok(text) = value.as_string() else { return Ok(arguments.to_vec()) };
    for (unit, hours) in [("d", 24), ("w", 7 * 24)] {
        let Some(number) = text.strip_suffix(unit) else { continue };
        let (sign, digits) = match number.strip_prefix('-') {
            Some(digits) => ("-", digits),
            None => ("", number),
        };
        return match digits.parse::<u32>() {
            Ok(count) => Ok(vec![Value::from(format!("{sign}{}h", u64::from(count) * hours))]),
            Err(_) => Err(Misfit::Refused(Exceeded::Layout)),
        };
    }
    if text.contains(['d', 'w', 'y']) {
        Err(Misfit::Refused(Exceeded::Layout))
    } else {
        Ok(arguments.to_vec())
    }
}

/// `time.add_date`: a day that the month does not have is one of the next month. In UTC; other zones are refused.
pub(super) fn add_date(arguments: &[Value], meter: &Meter) -> Result<Value, Exceeded> {
    Guard::Short.check(arguments, meter)?;
    let (first, zone) = match arguments.first() {
        Some(Value::Array(parts)) => (parts.first().cloned(), parts.get(1).cloned()),
        first => (first.cloned(), None),
    };
    if zone.is_some_and(|zone| !zone.as_string().is_ok_and(|zone| matches!(&**zone, "" | "UTC"))) {
        return Err(Exceeded::Layout);
    }
    let Some(time) = first else { return Ok(Value::Undefined) };
    let whole = |at: usize| arguments.get(at).and_then(|value| value.as_i64().ok()).map(i128::from);
    let (Ok(now), Some(years), Some(months), Some(days)) = (time.as_i64(), whole(1), whole(2), whole(3))
    else {
        return Ok(Value::Undefined);
    };
    let date = call_engine("time.date", &[time]);
    let part = |at: usize| date.as_array().ok()?.get(at)?.as_i64().ok().map(i128::from);
    let (Some(year), Some(month), Some(day)) = (part(0), part(1), part(2)) else {
        return Ok(Value::Undefined);
    };
    let months = (year + years) * 12 + (month - 1) + months;
    let date = days_before(months.div_euclid(12), months.rem_euclid(12)) + (day - 1) + days;
    let within = i128::from(now).rem_euclid(DAY);
    let time = i64::try_from(date.saturating_mul(DAY).saturating_add(within));
    Ok(time.map_or(Value::Undefined, Value::from))
}

/// Days from the epoch to the first of a month, which counts from 0.
fn days_before(year: i128, month: i128) -> i128 {
    // Years from March on: the day that some have more is the last.
    let (year, month) = if month < 2 { (year - 1, month + 10) } else { (year, month - 2) };
    let leaps = year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    year * 365 + leaps + (153 * month + 2) / 5 - 719_468
}
