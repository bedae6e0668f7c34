//! `tidegate preview`: a link that puts one browser on a side. Only the link goes to standard output.

use serde_json::json;

use super::Failure;
use super::client::Client;
use super::clock::now;
use super::operator::PreviewArguments;
use super::paint::{BOLD, note, paint, print_raw};
use super::words::moment;
use tidegate_model::Instant;
use tidegate_protocol::api::shapes::Preview;

pub fn run(arguments: &PreviewArguments, json: bool) -> Result<(), Failure> {
    let PreviewArguments { key, side, length, host, connection } = arguments;
    let client = Client::new(connection)?;
    let mut body = json!({ "variant": side.as_str(), "for": length });
    if let (Some(host), Some(fields)) = (host, body.as_object_mut()) {
        fields.insert("host".into(), json!(host));
    }
    let answer = client.send("POST", &format!("rollouts/{key}/previews"), &body)?;
    if json {
        return print_raw(&answer.text);
    }
    let preview: Preview = answer.read()?;
    note(&shown(&preview, arguments, now()));
    print_raw(&preview.url)
}

fn shown(preview: &Preview, arguments: &PreviewArguments, now: Instant) -> String {
    let PreviewArguments { key, side, length, .. } = arguments;
    let host = &preview.host;
    let until = preview.expires.get().map(|at| format!(" (until {})", moment(at, now))).unwrap_or_default();
    let scheme = preview.url.split("://").next().filter(|scheme| *scheme == "http").unwrap_or("https");
    let side = paint(BOLD, side.as_str());
    format!(
        "Whoever opens this link sees {side} of {key} on {host} for {length}{until}, in that browser, kills excepted.\nTo end it there earlier: {scheme}://{host}/_tidegate/preview?end={key}"
    )
}

#[cfg(test)]
mod tests {
    use super::super::operator::{Connection, Side};
    use super::*;

    #[test]
    fn the_explanation_says_who_sees_what_until_when_and_how_it_ends() {
        let preview = serde_json::from_str(r#"{"url":"http://localhost:8787/_tidegate/preview?token=x","host":"localhost:8787","expires":"2026-12-02T16:00:00Z"}"#).unwrap();
        let arguments = PreviewArguments {
            key: "demo".parse().unwrap(),
            side: Side::New,
            length: "2h".parse().unwrap(),
            host: None,
            connection: Connection { url: None },
        };
        let shown = shown(&preview, &arguments, "2026-12-02T14:00:00Z".parse().unwrap());
        assert_eq!(
            anstream::adapter::strip_str(&shown).to_string(),
            "Whoever opens this link sees new of demo on localhost:8787 for 2h (until 16:00 UTC), in that browser, kills excepted.\nTo end it there earlier: http://localhost:8787/_tidegate/preview?end=demo"
        );
    }
}
