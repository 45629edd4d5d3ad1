use super::*;

const PAGE: &str = r#"<!doctype html><form method=get action=/search><input name=q></form>
<h1 class="x>y">Sign in</h1>
<FORM method="post" action="/login?a=1&amp;b=&#34;2&#x22;">
  <input type="hidden" name="csrf" value="a&#38;b &lt;c&gt; &unknown;"/>
  <input type="text" name="username" autofocus required>
  <input type='password' name='password'>
  <button type="submit" name="decision" value="approve">Allow</button>
  <button name=decision value=deny>Deny</button>
</FORM><input name="outside" value="1">"#;

fn pair(name: &str, value: &str) -> (String, String) {
    (name.to_owned(), value.to_owned())
}

#[test]
fn finds_the_form_that_is_posted() {
    let mut form = Form::first(PAGE).unwrap();
    assert_eq!(form.action, "/login?a=1&b=\"2\"");
    let csrf = pair("csrf", "a&b <c> &unknown;");
    assert_eq!(form.fields, [csrf.clone(), pair("username", ""), pair("password", "")]);
    assert!(form.asks("password") && !form.asks("outside") && !form.asks("decision"));
    form.fill("username", "ada");
    assert!(!form.press("decision", "maybe"));
    assert!(form.press("decision", "approve"));
    assert_eq!(
        form.fields,
        [csrf, pair("username", "ada"), pair("password", ""), pair("decision", "approve")]
    );
}

#[test]
fn other_pages_have_no_form() {
    for page in ["", "<", "<form", "<p>hello</p>", "<form method=get></form>", "&<&#xffffffff;>"] {
        assert_eq!(Form::first(page), None, "{page}");
    }
}
