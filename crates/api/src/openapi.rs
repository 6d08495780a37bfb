//! The description of the service for machines: OpenAPI 3.1, whose schemas come from the types.
//!
//! What the types cannot say (paths, methods, headers, which error comes with which status) is said
//! here, out of [`ErrorCode`], which knows.

use std::collections::BTreeMap;

use schemars::generate::{SchemaGenerator, SchemaSettings};
use schemars::transform::RecursiveTransform;
use schemars::{JsonSchema, Schema};
use serde_json::{Map, Value, json};

use crate::{ErrorAnswer, ErrorCode, ExecuteRequest, Health, SuccessAnswer};

/// Settings of a server that its description tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Told {
    /// Longest program of a public caller. Unicode code points.
    pub code_characters_max: usize,
    /// Longest program of an admin. Unicode code points.
    pub admin_code_characters_max: usize,
    /// Files that come with a request.
    pub attachments_max: usize,
    /// Largest of them, decoded. Bytes.
    pub attachment_bytes_max: usize,
    /// Largest request body. Bytes.
    pub body_bytes_max: usize,
}

const ABOUT: &str = "\
Runs Python that nobody vouches for, behind real walls.

Every answer but the pages for people is JSON. A path that does not exist answers 404, and a method that \
a path does not take 405 with `Allow`, both with an `ErrorAnswer`. Any web page may call every path; \
`OPTIONS` answers preflights. New fields may come into answers; what is described here stays.";

/// What every answer says to a browser.
const HEADERS: [(&str, &str, &str); 5] = [
    ("Access-Control-Allow-Origin", "*", "Any page may ask."),
    (
        "Access-Control-Expose-Headers",
        "Retry-After",
        "And read when to ask again.",
    ),
    ("Cache-Control", "no-store", "Nothing is kept."),
    (
        "Referrer-Policy",
        "no-referrer",
        "No link tells where it was.",
    ),
    (
        "X-Content-Type-Options",
        "nosniff",
        "The content type is right.",
    ),
];

/// Errors that any path can answer with, because of what comes before and beside it.
const ANYWHERE: [&str; 3] = ["400", "431", "500"];

/// The description of a server with these settings.
#[must_use]
pub fn openapi(told: &Told) -> Value {
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "hognose",
            "version": env!("CARGO_PKG_VERSION"),
            "description": ABOUT,
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "servers": [{"url": "/", "description": "This server."}],
        "paths": {
            "/": kept("playground", "The playground, for people.", "text/html"),
            "/page/page.css": kept("page-style", "The playground's style.", "text/css"),
            "/page/page.js": kept("page-script", "The playground's script.", "text/javascript"),
            "/page/facts.json": read(
                "page-facts",
                "What the playground shows of settings, quota and load. It may change at any time.",
                &json!({"application/json": {"schema": {"type": "object"}}}),
            ),
            "/docs": read(
                "docs",
                "The documentation, for people.",
                &json!({"text/html": {"schema": {"type": "string"}}}),
            ),
            "/execute": {
                "post": execute(told),
                "options": preflight("execute", "POST, OPTIONS"),
            },
            "/health": health(),
            "/openapi.json": read(
                "openapi",
                "This description.",
                &json!({"application/json": {"schema": {"type": "object"}}}),
            ),
        },
        "components": {
            "schemas": schemas(told),
            "headers": headers(),
            "responses": errors(),
        },
    })
}

fn schemas(told: &Told) -> Value {
    let mut settings = SchemaSettings::draft2020_12();
    settings.meta_schema = None;
    settings.definitions_path = "/components/schemas".into();
    // Not one of the formats that OpenAPI knows.
    let plain = RecursiveTransform(|schema: &mut Schema| {
        if schema.get("format").is_some_and(|format| format == "uint") {
            schema.remove("format");
        }
    });
    let settings = settings.with_transform(plain);

    let mut asked = settings.clone().for_deserialize().into_generator();
    refer::<ExecuteRequest<'_>>(&mut asked);
    let absent = RecursiveTransform(never_null_where_absent);
    let answered = settings.for_serialize().with_transform(absent);
    let mut answered = answered.into_generator();
    refer::<SuccessAnswer>(&mut answered);
    refer::<ErrorAnswer>(&mut answered);
    refer::<Health>(&mut answered);
    let mut schemas = asked.take_definitions(true);
    schemas.extend(answered.take_definitions(true));

    let mut schemas = Value::Object(schemas);
    let mut limit = |pointer: &str, key: &str, value: usize, why: &str| {
        let schema = schemas.pointer_mut(pointer).and_then(Value::as_object_mut);
        let schema = schema.expect("the types have this field, as a test sees");
        if !key.is_empty() {
            schema.insert(key.to_owned(), json!(value));
        }
        let text = schema.get("description").and_then(Value::as_str);
        let text = format!("{} {why}", text.unwrap_or_default());
        schema.insert("description".to_owned(), json!(text));
    };
    let (public, admin) = (told.code_characters_max, told.admin_code_characters_max);
    limit(
        "/ExecuteRequest/properties/code",
        "maxLength",
        public.max(admin),
        &if public == admin {
            format!("At most {public} Unicode characters.")
        } else {
            format!("At most {public} Unicode characters; with the admin key {admin}.")
        },
    );
    limit(
        "/ExecuteRequest/properties/attachments",
        "maxItems",
        told.attachments_max,
        &format!("At most {}.", told.attachments_max),
    );
    limit(
        "/Attachment/properties/content_base_64",
        "",
        0,
        &format!("At most {} bytes when decoded.", told.attachment_bytes_max),
    );
    schemas
}

/// Takes `null` from fields that may be absent: what an answer does not know it leaves out, or says `null`,
/// but never both.
fn never_null_where_absent(schema: &mut Schema) {
    let required = schema.get("required").cloned().unwrap_or_default();
    let required = |name: &str| {
        let mut names = required.as_array().into_iter().flatten();
        names.any(|one| one == name)
    };
    let properties = schema.get_mut("properties").and_then(Value::as_object_mut);
    for (name, property) in properties.into_iter().flatten() {
        let Some(property) = property.as_object_mut().filter(|_| !required(name)) else {
            continue;
        };
        if let Some(kinds) = property.get_mut("type")
            && let Some(kind) = kinds.get(0).cloned()
        {
            *kinds = kind;
        }
        if let Some([kind, null]) = property
            .get("anyOf")
            .and_then(Value::as_array)
            .map(Vec::as_slice)
            && null["type"] == "null"
        {
            let kind = kind.as_object().cloned().unwrap_or_default();
            property.remove("anyOf");
            property.extend(kind);
        }
    }
}

/// Makes a type's schema, and those of what it is made of.
fn refer<T: JsonSchema>(generator: &mut SchemaGenerator) {
    let _reference: Schema = generator.subschema_for::<T>();
}

fn execute(told: &Told) -> Value {
    let mut responses = Map::new();
    responses.insert(
        "200".to_owned(),
        json!({
            "description": "The program ended with exit code 0.",
            "headers": usual_headers(),
            "content": {"application/json": {"schema": schema("SuccessAnswer")}},
        }),
    );
    let statuses = ["400", "408", "413", "415", "429", "431", "500", "503"];
    responses.extend(refer_to(&statuses));
    let body = told.body_bytes_max;
    json!({
        "operationId": "execute",
        "summary": "Runs a program.",
        "parameters": [{
            "name": "X-Forwarded-For",
            "in": "header",
            "description": "Whose quota counts, where a trusted proxy says it: the right-most address that \
                is no trusted proxy's. Anybody else's is ignored.",
            "schema": {"type": "string"},
        }],
        "requestBody": {
            "required": true,
            "description": format!("At most {body} bytes. A leading byte order mark is accepted."),
            "content": {"application/json": {
                "schema": schema("ExecuteRequest"),
                "examples": examples(),
            }},
        },
        "responses": responses,
    })
}

fn examples() -> Value {
    json!({
        "print": {
            "summary": "Print something",
            "value": {"code": "print(6 * 7)"},
        },
        "stdin": {
            "summary": "Read standard input",
            "value": {
                "code": "import sys\nname = sys.stdin.read().strip()\nprint(f\"Hello, {name}!\")",
                "stdin_data": "Alice",
            },
        },
        "files": {
            "summary": "Take a file and bring one back",
            "value": {
                "code": "with open(\"in.txt\") as f, open(\"out.txt\", \"w\") as g:\n    g.write(f.read().upper())",
                "attachments": [{"filename": "in.txt", "content_base_64": "aGVsbG8="}],
                "return_files": ["out.txt"],
            },
        },
    })
}

/// A path that is only read: GET, HEAD and OPTIONS.
fn read(id: &str, summary: &str, content: &Value) -> Value {
    let with = |content: Option<&Value>| {
        let mut responses = Map::new();
        let mut good = json!({"description": summary, "headers": usual_headers()});
        if let (Some(content), Some(good)) = (content, good.as_object_mut()) {
            good.insert("content".to_owned(), content.clone());
        }
        responses.insert("200".to_owned(), good);
        responses.extend(refer_to(&ANYWHERE));
        responses
    };
    json!({
        "get": {"operationId": id, "summary": summary, "responses": with(Some(content))},
        "head": {
            "operationId": format!("{id}-head"),
            "summary": "The same without the content.",
            "responses": with(None),
        },
        "options": preflight(id, "GET, HEAD, OPTIONS"),
    })
}

/// A file that is kept by whoever has it, and sent again only after it has changed.
fn kept(id: &str, summary: &str, kind: &str) -> Value {
    let content = json!({kind: {"schema": {"type": "string"}}});
    let mut path = read(id, summary, &content);
    let said = |schema: Value| json!({"required": true, "schema": schema});
    for method in ["get", "head"] {
        let pointer = format!("/{method}/responses");
        let Some(Value::Object(responses)) = path.pointer_mut(&pointer) else {
            continue;
        };
        let Some(good) = responses.get_mut("200").and_then(Value::as_object_mut) else {
            continue;
        };
        let mut headers = usual_headers();
        let text = || said(json!({"type": "string"}));
        headers.extend([
            ("ETag".to_owned(), text()),
            ("Vary".to_owned(), text()),
            (
                "Cache-Control".to_owned(),
                said(json!({"const": "no-cache"})),
            ),
        ]);
        good.insert("headers".to_owned(), json!(headers));
        let same = json!({"description": "It has not changed.", "headers": headers});
        responses.insert("304".to_owned(), same);
    }
    path
}

fn health() -> Value {
    let content = json!({"application/json": {"schema": schema("Health")}});
    let mut path = read("health", "Tells how the server is.", &content);
    for (method, content) in [("get", Some(content)), ("head", None)] {
        let mut sick = json!({
            "description": "It does not serve everybody now.",
            "headers": usual_headers(),
        });
        if let (Some(content), Some(sick)) = (content, sick.as_object_mut()) {
            sick.insert("content".to_owned(), content);
        }
        let responses = path.pointer_mut(&format!("/{method}/responses"));
        if let Some(responses) = responses.and_then(Value::as_object_mut) {
            responses.insert("503".to_owned(), sick);
        }
    }
    path
}

fn preflight(id: &str, methods: &str) -> Value {
    let mut headers = usual_headers();
    for name in ["Allow", "Access-Control-Allow-Methods"] {
        let said = json!({"schema": {"type": "string", "const": methods}, "required": true});
        headers.insert(name.to_owned(), said);
    }
    for name in [
        "Access-Control-Allow-Headers",
        "Access-Control-Max-Age",
        "Vary",
    ] {
        let said = json!({"schema": {"type": "string"}, "required": true});
        headers.insert(name.to_owned(), said);
    }
    let mut responses = Map::new();
    let good = json!({"description": "What a page may send.", "headers": headers});
    responses.insert("200".to_owned(), good);
    responses.extend(refer_to(&ANYWHERE));
    json!({
        "operationId": format!("{id}-preflight"),
        "summary": "Tells a browser that any page may send what it is about to send.",
        "responses": responses,
    })
}

fn schema(name: &str) -> Value {
    json!({"$ref": format!("#/components/schemas/{name}")})
}

/// The headers that every answer has.
fn headers() -> Value {
    let header = |(name, value, why): (&str, &str, &str)| {
        let header = json!({
            "description": why,
            "required": true,
            "schema": {"type": "string", "const": value},
        });
        (name.to_owned(), header)
    };
    Value::Object(HEADERS.into_iter().map(header).collect())
}

fn usual_headers() -> Map<String, Value> {
    let refer = |(name, _, _): (&str, &str, &str)| {
        let place = format!("#/components/headers/{name}");
        (name.to_owned(), json!({"$ref": place}))
    };
    HEADERS.into_iter().map(refer).collect()
}

/// One response for each status that an error has.
fn errors() -> Value {
    let mut by_status: BTreeMap<u16, Vec<ErrorCode>> = BTreeMap::new();
    for code in ErrorCode::ALL {
        by_status.entry(code.status()).or_default().push(code);
    }
    // The head of a request was too long to be looked at.
    by_status.insert(431, vec![ErrorCode::ValidationError]);
    let response = |(status, codes): (u16, Vec<ErrorCode>)| {
        let names: Vec<&str> = codes.iter().map(|code| code.name()).collect();
        let about = codes.iter().map(|code| {
            let (name, meaning, remedy) = (code.name(), code.meaning(), code.remedy());
            format!("`{name}`: {meaning} {remedy}")
        });
        let about: Vec<String> = about.collect();
        let mut headers = usual_headers();
        match status {
            405 => headers.insert(
                "Allow".to_owned(),
                json!({
                    "description": "The methods that the path takes.",
                    "required": true,
                    "schema": {"type": "string"},
                }),
            ),
            429 | 503 => headers.insert(
                "Retry-After".to_owned(),
                json!({
                    "description": "Whole seconds until asking again makes sense.",
                    "required": true,
                    "schema": {"type": "integer", "minimum": 1},
                }),
            ),
            _ => None,
        };
        let response = json!({
            "description": if status == 431 {
                "The head of the request is too long. Send fewer or shorter headers.".to_owned()
            } else {
                about.join("\n\n")
            },
            "headers": headers,
            "content": {"application/json": {"schema": {
                "allOf": [schema("ErrorAnswer"), {
                    "properties": {"error_details": {"properties": {"type": {"enum": names}}}},
                }],
            }}},
        });
        (status.to_string(), response)
    };
    Value::Object(by_status.into_iter().map(response).collect())
}

fn refer_to(statuses: &[&str]) -> Map<String, Value> {
    let refer = |status: &&str| {
        let place = format!("#/components/responses/{status}");
        ((*status).to_owned(), json!({"$ref": place}))
    };
    statuses.iter().map(refer).collect()
}
