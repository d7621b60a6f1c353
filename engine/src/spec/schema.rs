//! The JSON Schema of flow files, generated from the types of this module and shaped for editors: draft-07, closed
//! mappings, one sentence for each mistake. What was tried with real editors stands behind each step.

use super::Flow;
use super::groups::{GROUPS, Group};
use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

/// The JSON Schema of flow files.
pub fn flow_schema() -> Value {
    let mut schema = draft07::<Flow>();
    let definitions = definitions(&mut schema);
    for group in &GROUPS {
        if let Some(definition) = definitions.get_mut(group.of) {
            exactly_one(definition, group);
        }
    }
    defaults(definitions);
    if let Some(node) = definitions.get_mut("Node") {
        node["dependencies"] = json!({ "loop": { "properties": { "each": false } } });
        node["properties"]["prompt"]["defaultSnippets"] = json!([{
            "label": "text and type of the answer",
            "body": { "user": "|\n  $1", "returns": "$2" }
        }]);
    }
    schema["properties"]["nodes"]["defaultSnippets"] = json!([{
        "label": "a node",
        "body": { "${1:name}": { "prompt": { "user": "|\n  $2" } } }
    }]);
    schema
}

/// The schema of a file's type, tidied.
pub(crate) fn draft07<T: JsonSchema>() -> Value {
    let mut schema = SchemaSettings::draft07().into_generator().into_root_schema_for::<T>().to_value();
    tidy(&mut schema);
    for (name, definition) in definitions(&mut schema).iter_mut() {
        definition["title"] = json!(name);
    }
    schema
}

fn definitions(schema: &mut Value) -> &mut Map<String, Value> {
    schema
        .as_object_mut()
        .expect("internal error: a schema is an object")
        .entry("definitions")
        .or_insert_with(|| json!({}))
        .as_object_mut()
        .expect("internal error: definitions are an object")
}

/// Makes a generated schema read well in editors, everywhere in it.
fn tidy(schema: &mut Value) {
    match schema {
        Value::Object(keywords) => {
            keywords.values_mut().for_each(tidy);
            without_null(keywords);
            words(keywords);
            // Names of machine types mean nothing to authors.
            if keywords.get("format").is_some_and(Value::is_string) {
                keywords.shift_remove("format");
            }
            describe(keywords);
        }
        Value::Array(items) => items.iter_mut().for_each(tidy),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// A key that may be left out is left out: an editor must not offer `when: null`.
fn without_null(keywords: &mut Map<String, Value>) {
    if let Some(Value::Array(types)) = keywords.get_mut("type") {
        types.retain(|t| t != "null");
        if let [one] = types.as_slice() {
            let one = one.clone();
            keywords.insert("type".to_owned(), one);
        }
    }
    let nullable = keywords.get("anyOf").and_then(Value::as_array).and_then(|branches| match branches.as_slice() {
        [branch, null] if *null == json!({ "type": "null" }) => Some(branch.clone()),
        _ => None,
    });
    if let Some(branch) = nullable {
        keywords.shift_remove("anyOf");
        // Draft-07 ignores what stands beside a `$ref`, the description too.
        keywords.insert("allOf".to_owned(), json!([branch]));
    }
}

/// An enum with a text for each word comes as branches of constants; editors list words better.
fn words(keywords: &mut Map<String, Value>) {
    let Some(Value::Array(branches)) = keywords.get("oneOf") else { return };
    let read = |b: &Value| Some((b.get("const")?.clone(), b.get("description")?.clone()));
    let Some(words) = branches.iter().map(read).collect::<Option<Vec<_>>>() else { return };
    let (words, texts): (Vec<Value>, Vec<Value>) = words.into_iter().unzip();
    keywords.shift_remove("oneOf");
    keywords.insert("type".to_owned(), json!("string"));
    keywords.insert("enum".to_owned(), words.into());
    keywords.insert("enumDescriptions".to_owned(), texts.clone().into());
    keywords.insert("markdownEnumDescriptions".to_owned(), texts.into());
}

/// Doc comments are wrapped for this file; a hover is not.
fn describe(keywords: &mut Map<String, Value>) {
    let Some(Value::String(text)) = keywords.get("description") else { return };
    let text = text.replace('\n', " ");
    keywords.entry("markdownDescription").or_insert_with(|| json!(text));
    keywords.insert("description".to_owned(), json!(text));
}

/// Branches that say in one sentence which keys are alternatives, on old editors too.
fn exactly_one(definition: &mut Value, group: &Group) {
    let branches = group.keys.iter().map(|(key, excluded)| {
        let others = group.names().filter(|other| other != key).chain(excluded.iter().copied());
        let forbidden: Map<String, Value> = others.map(|other| (other.to_owned(), json!(false))).collect();
        json!({ "required": [key], "properties": forbidden, "errorMessage": group.sentence() })
    });
    definition["oneOf"] = branches.collect();
}

/// The bodies of `defaults` are those of the verbs, without what each node must say itself.
fn defaults(definitions: &mut Map<String, Value>) {
    let bodies: Vec<(String, Value)> = ["Prompt", "Execute", "Human", "Embed"]
        .into_iter()
        .map(|name| {
            let mut body = definitions[name].clone();
            let mut own: Vec<String> = serde_json::from_value(body["required"].take()).unwrap_or_default();
            own.extend(Group::of(name).into_iter().flat_map(Group::names).map(str::to_owned));
            if let Some(keywords) = body.as_object_mut() {
                keywords.retain(|keyword, _| !["required", "oneOf"].contains(&keyword.as_str()));
            }
            if let Some(properties) = body["properties"].as_object_mut() {
                properties.retain(|key, _| !own.contains(key));
            }
            let title = format!("{name}Defaults");
            body["title"] = json!(title);
            (title, body)
        })
        .collect();
    for (title, body) in bodies {
        let verb = title.trim_end_matches("Defaults").to_lowercase();
        definitions["Defaults"]["properties"][&verb]["allOf"] = json!([{ "$ref": format!("#/definitions/{title}") }]);
        definitions.insert(title, body);
    }
}
