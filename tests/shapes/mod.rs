//! Plans of just under a megabyte, each with thousands of one thing: what a reader must get through in no
//! time, whether it accepts or refuses them. The benchmark and the test share them.

use std::fmt::Write as _;

/// As long as a shape may be, in bytes.
pub const BYTES: usize = 1_000_000;

/// One plan: its name, and its text in TOML.
pub struct Shape {
    pub name: &'static str,
    pub text: String,
}

const STAGE: &str = "[[stage]]\nname = \"full\"\npercentage = 100\nhold = \"1h\"\n";
const UPSTREAMS: &str = "[upstreams]\nlegacy = \"https://l.example\"\nnew = \"https://n.example\"\n";

/// Items as long as there is room for them.
fn many(room: usize, item: impl Fn(usize) -> String) -> String {
    let mut text = String::new();
    for index in 0.. {
        let next = item(index);
        if text.len() + next.len() > room {
            break;
        }
        text.push_str(&next);
    }
    text
}

/// At most so many items.
fn up_to(count: usize, room: usize, item: impl Fn(usize) -> String) -> String {
    many(room, |index| if index < count { item(index) } else { " ".repeat(room) })
}

/// What stands between the head and the rest of a plan.
fn around(head: &str, tail: &str, body: impl Fn(usize) -> String) -> String {
    let body = body(BYTES - head.len() - tail.len());
    format!("{head}{body}{tail}")
}

fn listed(head: &str, tail: &str, item: impl Fn(usize) -> String) -> String {
    around(&format!("{head}["), &format!("]\n{tail}"), |room| many(room, |index| format!("{},", item(index))))
}

/// At most so many items of a list.
fn listed_to(count: usize, head: &str, tail: &str, item: impl Fn(usize) -> String) -> String {
    around(&format!("{head}["), &format!("]\n{tail}"), |room| up_to(count, room, |index| format!("{},", item(index))))
}

/// All shapes.
pub fn all() -> Vec<Shape> {
    let key = "key = \"a\"\n";
    let routed = format!("{STAGE}{UPSTREAMS}");
    let first_stage = format!("{key}[[stage]]\nname = \"full\"\npercentage = 100\nhold = \"1h\"\n");
    let in_stage = |field: &str| format!("{first_stage}{field} = ");
    let shape = |name, text| Shape { name, text };
    let mut shapes = vec![
        shape("unknown groups, 5,000", listed_to(5_000, &in_stage("groups"), "", |n| format!("\"group-{n}\""))),
        shape("unknown groups", listed(&in_stage("groups"), "", |n| format!("\"g{n}\""))),
        shape("unknown groups, nearly known", nearly_known()),
        shape(
            "one group again and again",
            listed_to(10_000, &in_stage("groups"), "[groups.g]\nids = [\"a\"]\n", |_| "\"g\"".to_owned()),
        ),
        shape(
            "unused groups",
            around(&first_stage, "", |room| many(room, |n| format!("[groups.g{n}]\nids=[\"a\"]\n"))),
        ),
        shape(
            "ids",
            listed_to(100_000, &format!("{first_stage}groups = [\"g\"]\n[groups.g]\nids = "), "", |n| {
                format!("\"{n:07}\"")
            }),
        ),
        shape("routes, 30,000", listed_to(30_000, &format!("{key}routes = "), &routed, |n| format!("\"/shop/{n}/*\""))),
        shape(
            "routes, 10,000",
            listed_to(10_000, &format!("{key}routes = "), &routed, |n| format!("\"shop.example.com/{n:060}/*\"")),
        ),
        shape(
            "one route again and again",
            listed_to(10_000, &format!("{key}routes = "), &routed, |_| "\"/shop/*\"".to_owned()),
        ),
        shape("malformed routes", listed_to(10_000, &format!("{key}routes = "), &routed, |n| format!("\"shop{n}\""))),
        shape(
            "a long route",
            listed_to(1, &format!("{key}routes = "), &routed, |_| format!("\"{}\"", "/a".repeat(400_000))),
        ),
        shape("routes, exceptions and paths", crossed()),
        shape(
            "paths without a route",
            around(&format!("{key}routes = [\"/x/*\"]\n{routed}"), "", |room| {
                many(room, |n| format!("[[path]]\nmatch=\"/{n}\"\n"))
            }),
        ),
        shape("unknown fields", around(key, STAGE, |room| many(room, |n| format!("field{n} = 1\n")))),
        shape("a long unknown field", around(key, STAGE, |room| format!("{} = 1\n", "percentage".repeat(room / 11)))),
        shape(
            "unknown fields of a stage",
            around(&first_stage, "", |room| many(room, |n| format!("percentag{n} = 1\n"))),
        ),
        shape("stages", around(key, "", |room| many(room, |n| format!("[[stage]]\nname=\"s{n}\"\npercentage=1\n")))),
        shape("empty stages", around(key, "", |room| many(room, |_| "[[stage]]\n".to_owned()))),
        shape("windows", windows()),
        shape("gates", listed(&in_stage("gates"), "", |n| format!("\"signal.s{n} > 1\""))),
        shape(
            "a long gate",
            listed_to(1, &in_stage("gates"), "", |_| format!("\"{}\"", vec!["errors@a > 1"; 50_000].join(" and "))),
        ),
        shape("gates of 100 stages", around(key, "", gates_of_stages)),
        shape(
            "guardrails",
            around(&first_stage, "", |room| {
                many(room, |n| format!("[[guardrail]]\nwhen=\"eror_rate > {n}%\"\nthen=\"of\"\n"))
            }),
        ),
        shape("guardrails of unknown stages", around(&first_stage, "", guardrails)),
        shape(
            "notices",
            around(&first_stage, "", |room| {
                many(room, |n| format!("[[notice]]\nat=\"full\"\nto=[\"c{n}\"]\ntext=\"\"\n"))
            }),
        ),
        shape(
            "tokens",
            around(&first_stage, "", |room| many(room, |n| format!("[identity.jwt.t{n}]\nfrom=\"country\"\n"))),
        ),
        shape("channels", around(&first_stage, "", |room| many(room, |n| format!("[channels.c{n}]\nslac=\"\"\n")))),
        shape(
            "environments",
            around(&first_stage, "", |room| many(room, |n| format!("[environments.e{n}]\nsalt=\"a\"\n"))),
        ),
        shape("20 environments", around(&first_stage, "", environments)),
        shape("rollouts", around("", "", |room| many(room, |n| format!("[[rollout]]\nkey=\"a{n}\"\n")))),
        shape("1,000 rollouts that wait for each other", around("", "", waiting)),
        shape(
            "1,000 rollouts of which none is good",
            around("", "", |room| {
                up_to(1_000, room, |n| format!("[[rollout]]\nkey=\"a{n}\"\n{} = 1\n", "x".repeat(900)))
            }),
        ),
        shape(
            "texts beside rollouts",
            around("", "[[rollout]]\nkey = \"a\"\n", |room| many(room, |n| format!("f{n} = 1\n"))),
        ),
        shape("no TOML", around("", "", |room| many(room, |_| "= [\n".to_owned()))),
        shape(
            "a long line",
            around(key, "", |room| {
                format!("description = \"{}\"\nx = 1\nroutes = [1]\n{STAGE}", "é".repeat((room - 100) / 2))
            }),
        ),
        shape("deep tables", around(key, STAGE, |room| many(room, |n| format!("a.b.c.d.e.f.g{n} = 1\n")))),
        shape("headers", around(key, "", |room| many(room, |n| format!("[a.b.c{n}]\n")))),
    ];
    // On one line, as a program would write it, and without places.
    let json = shapes
        .iter()
        .filter_map(|shape| Some(Shape { name: json_name(shape.name)?, text: json(&shape.text)? }))
        .collect::<Vec<_>>();
    shapes.extend(json);
    shapes
}

fn json_name(name: &'static str) -> Option<&'static str> {
    match name {
        "unknown groups, 5,000" => Some("unknown groups, 5,000, as JSON"),
        "unknown fields" => Some("unknown fields, as JSON"),
        "malformed routes" => Some("malformed routes, as JSON"),
        _ => None,
    }
}

fn json(text: &str) -> Option<String> {
    let table: serde_json::Value = toml::from_str(text).ok()?;
    Some(table.to_string())
}

fn nearly_known() -> String {
    let groups = up_to(1_000, 400_000, |n| format!("[groups.a-group-with-a-name-{n:04}]\nids=[\"a\"]\n"));
    let names = up_to(10_000, 500_000, |n| format!("\"a-group-with-no-name-{n:04}\","));
    format!("key = \"a\"\n[[stage]]\nname = \"full\"\npercentage = 100\nhold = \"1h\"\ngroups = [{names}]\n{groups}")
}

fn crossed() -> String {
    let routes = up_to(10_000, 500_000, |n| format!("\"*.h{n}.example.com/a/b/c/{n}/*\","));
    let except = up_to(100, 100_000, |n| format!("\"*.x{n}.example.com/a/b/c/{n}/*\","));
    let paths = many(380_000, |n| {
        if n % 100 == 0 {
            format!("{}[[path]]\nmatch=[\"/z/{n}/*\",", if n == 0 { "" } else { "]\n" })
        } else {
            format!("\"/z/{n}/*\",")
        }
    });
    format!("key = \"a\"\nroutes = [{routes}]\nexcept = [{except}]\n{STAGE}{UPSTREAMS}{paths}]\n")
}

fn windows() -> String {
    let freeze = up_to(100, 100_000, |_| "\"Mon-Sun 00:00-23:59 UTC\",".to_owned());
    let stage = |n: usize| {
        format!(
            "[[stage]]\nname=\"s{n}\"\npercentage=1\nenter=[{}]\n",
            up_to(100, 100_000, |_| "\"Mon-Sun 00:00-23:59 UTC\",".to_owned())
        )
    };
    format!("key = \"a\"\nfreeze = [{freeze}]\n{}", up_to(100, 900_000, stage))
}

fn gates_of_stages(room: usize) -> String {
    up_to(100, room, |n| {
        let gates = (0..100).fold(String::new(), |mut text, gate| {
            let _ = write!(text, "\"signal.s{gate}-{n} = 0 and eror_rat.p{gate} > 1\",");
            text
        });
        format!("[[stage]]\nname=\"s{n}\"\npercentage=1\ngates=[{gates}]\n")
    })
}

fn guardrails(room: usize) -> String {
    up_to(500, room, |n| {
        let names = (0..150).fold(String::new(), |mut text, name| {
            let _ = write!(text, "\"st{name}-{n}\",");
            text
        });
        format!("[[guardrail]]\nwhen=\"errors > {n}\"\nthen=\"alert\"\nstages=[{names}]\n")
    })
}

fn environments(room: usize) -> String {
    let own = listed_to(5_000, "", "", |n| format!("\"g{n}\"")).len().min(room / 20);
    (0..20).fold(String::new(), |mut text, n| {
        let groups = up_to(10_000, own - 100, |n| format!("\"g{n}\","));
        let _ = write!(
            text,
            "[[environments.e{n}.stage]]\nname=\"full\"\npercentage=100\nhold=\"1h\"\ngroups=[{groups}]\n"
        );
        text
    })
}

fn waiting(room: usize) -> String {
    let each = room / 1_000 - 90;
    (0..1_000).fold(String::new(), |mut text, n| {
        let after = many(each - 60, |index| format!("\"a{}\",", (n + index * 7 + 1) % 1_000));
        let _ = write!(text, "[[rollout]]\nkey=\"a{n}\"\nafter=[{after}]\n[[rollout.stage]]\nname=\"full\"\npercentage=100\nhold=\"1h\"\n");
        text
    })
}
