//! `host/ptx/abi.json`: the kernels as data, for callers in other languages.

use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};
use msa::gpu::{
    ABI_VERSION, ABI_VERSION_SYMBOL, FieldType, KERNELS, KernelAbi, Ptx, StructLayout, Target,
    Threads,
};
use msa_abi::{AttendParams, TensorMap};
use serde_json::{Map, Value, json};

/// Its name in `host/ptx`.
pub const NAME: &str = "abi.json";

/// What the file is to hold. What it holds now may stay as it is, or go where the version is another: callers of this
/// version were promised it.
pub fn text(now: Option<&str>) -> Result<String> {
    let described = describe();
    if let Some(now) = now {
        let now = serde_json::from_str(now).with_context(|| format!("{NAME} is no JSON"))?;
        check_promise(&now, &described)?;
    }
    Ok(format!("{}\n", spread(&described, 0)))
}

fn describe() -> Value {
    let mut structs = BTreeMap::new();
    KERNELS.iter().for_each(|abi| collect(abi.params, &mut structs));
    let kernels = KERNELS.iter().map(|abi| (abi.kernel.name().to_owned(), kernel(abi)));
    json!({
        "abi_version": ABI_VERSION,
        "abi_version_symbol": ABI_VERSION_SYMBOL,
        "files": Ptx::ALL.iter().map(file).collect::<Vec<_>>(),
        "kernels": kernels.collect::<Map<_, _>>(),
        "structs": structs,
        "tensor_map": {
            "box": AttendParams::PLANE_BOX,
            "data_type": "CU_TENSOR_MAP_DATA_TYPE_BFLOAT16",
            "dimensions": ["head dim", "tokens", "kv heads", "planes", "pages"],
            "element_strides": [1, 1, 1, 1, 1],
            "interleave": "CU_TENSOR_MAP_INTERLEAVE_NONE",
            "l2_promotion": "CU_TENSOR_MAP_L2_PROMOTION_L2_128B",
            "oob_fill": "CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE",
            "swizzle": "CU_TENSOR_MAP_SWIZZLE_128B",
        },
    })
}

/// A file, and the compute capabilities that run it.
fn file(ptx: &Ptx) -> Value {
    let (devices, (major, minor)) = match ptx.target() {
        Target::Exactly(major, minor) => ("exactly", (major, minor)),
        Target::Family(major, minor) => ("same major from", (major, minor)),
        Target::From(major, minor) => ("from", (major, minor)),
    };
    json!({ "name": file_name(ptx), "runs_on": { devices: [major, minor] } })
}

fn file_name(ptx: &Ptx) -> String {
    format!("{}.ptx", ptx.name())
}

fn kernel(abi: &KernelAbi) -> Value {
    let parameter = |name, size, align| json!({ "type": name, "size": size, "align": align });
    let mut parameters = vec![parameter(abi.params.name, abi.params.size, abi.params.align)];
    if abi.takes_planes {
        let (size, align) = (size_of::<TensorMap>(), align_of::<TensorMap>());
        parameters.push(parameter("CUtensorMap", size, align));
    }
    let files = Ptx::ALL.iter().filter(|ptx| ptx.has(abi.kernel)).map(file_name);
    json!({
        "parameters": parameters,
        "grid": abi.grid,
        "cluster": abi.cluster,
        "threads": match abi.threads {
            Threads::Exactly(threads) => json!({ "exactly": threads }),
            Threads::UpTo(threads) => json!({ "multiple_of": 32, "up_to": threads }),
        },
        "dynamic_shared": abi.dynamic_shared,
        "follows_another": abi.follows_another,
        "files": files.collect::<Vec<_>>(),
    })
}

/// A struct, those in it, and those that it points to.
fn collect(layout: &StructLayout, structs: &mut BTreeMap<&str, Value>) {
    let fields = layout.fields.iter().map(|field| {
        if let Some(of) = field.ty.layout() {
            collect(of, structs);
        }
        let ty = type_name(field.ty);
        json!({ "name": field.name, "offset": field.offset, "size": field.size, "type": ty })
    });
    let fields: Vec<_> = fields.collect();
    let described = json!({ "size": layout.size, "align": layout.align, "fields": fields });
    structs.insert(layout.name, described);
}

fn type_name(ty: FieldType) -> String {
    match ty {
        FieldType::I32 => "i32".to_owned(),
        FieldType::U16 => "u16".to_owned(),
        FieldType::U32 => "u32".to_owned(),
        FieldType::U64 => "u64".to_owned(),
        FieldType::F32 => "f32".to_owned(),
        FieldType::Pointer(to) => format!("pointer to {}", type_name(*to)),
        FieldType::Struct(layout) => layout.name.to_owned(),
    }
}

/// Within a version kernels and structs may come, and none may change or go.
fn check_promise(now: &Value, new: &Value) -> Result<()> {
    if now["abi_version"] != new["abi_version"] {
        return Ok(());
    }
    for kind in ["kernels", "structs"] {
        let promised = now[kind].as_object().with_context(|| format!("{NAME} has no {kind}"))?;
        for (name, promised) in promised {
            let is_kept = match new[kind].get(name) {
                None => false,
                Some(new) => without_files(new) == without_files(promised),
            };
            ensure!(
                is_kept,
                "{name} is not what {NAME} promises callers of version {}: raise \
                 `msa_abi::ABI_VERSION`",
                now["abi_version"]
            );
        }
    }
    Ok(())
}

/// A kernel may come to more files.
fn without_files(described: &Value) -> Value {
    let mut described = described.clone();
    if let Some(described) = described.as_object_mut() {
        described.remove("files");
    }
    described
}

/// JSON of which every list or object that holds others has its members on lines of their own.
fn spread(value: &Value, depth: usize) -> String {
    let is_nested = |value: &Value| value.is_array() || value.is_object();
    let members: Vec<String> = match value {
        Value::Array(members) if members.iter().any(is_nested) => {
            members.iter().map(|member| spread(member, depth + 1)).collect()
        }
        Value::Object(members) if members.values().any(is_nested) => {
            let line = |(key, member)| format!("{}: {}", json!(key), spread(member, depth + 1));
            members.iter().map(line).collect()
        }
        _ => return value.to_string(),
    };
    let (open, close) = if value.is_array() { ('[', ']') } else { ('{', '}') };
    let indent = "  ".repeat(depth + 1);
    let members = members.join(&format!(",\n{indent}"));
    format!("{open}\n{indent}{members}\n{}{close}", "  ".repeat(depth))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A change is refused where the version stays, and taken where it does not.
    fn refused(change: impl Fn(&mut Value)) -> Option<String> {
        let mut now = describe();
        change(&mut now);
        let outcome = text(Some(&now.to_string())).err().map(|error| error.to_string());
        now["abi_version"] = json!(ABI_VERSION + 1);
        assert!(text(Some(&now.to_string())).is_ok());
        outcome
    }

    #[test]
    fn what_is_checked_in_is_what_the_table_says() {
        let now = include_str!("../../../host/ptx/abi.json");
        assert_eq!(now, text(Some(now)).expect("callers find what they were promised"));
    }

    #[test]
    fn what_was_promised_is_kept_within_a_version() {
        let moved =
            |now: &mut Value| now["structs"]["CheckParams"]["fields"][3]["offset"] = json!(92);
        let problem = refused(moved).expect("a field has moved");
        assert!(problem.starts_with("CheckParams is not what abi.json promises"), "{problem}");
        let grid = |now: &mut Value| now["kernels"]["index_merge"]["grid"][1] = json!("2");
        assert!(refused(grid).is_some_and(|problem| problem.starts_with("index_merge ")));
        let gone = |now: &mut Value| now["kernels"]["of_before"] = json!({});
        assert!(refused(gone).is_some_and(|problem| problem.starts_with("of_before ")));
    }

    #[test]
    fn kernels_may_come_and_to_more_files() {
        let without = |now: &mut Value| {
            now["kernels"].as_object_mut().expect("kernels").remove("index_merge");
            now["kernels"]["index_decode"]["files"] = json!([]);
        };
        assert_eq!(refused(without), None);
    }

    #[test]
    fn the_page_about_cpp_shows_what_there_is() {
        let page = include_str!("../../../docs/cpp.md");
        let shown = spread(&describe()["kernels"]["block_topk"], 0);
        assert!(page.contains(&format!("\"block_topk\": {shown}")), "{shown}");
        assert!(page.contains(include_str!("../../../examples/cpp/block_topk.cpp")));
    }

    #[test]
    fn lists_of_lists_are_spread_over_lines() {
        let value = json!({ "a": [1, 2], "b": [{ "c": 3 }, 4] });
        assert_eq!(
            spread(&value, 0),
            "{\n  \"a\": [1,2],\n  \"b\": [\n    {\"c\":3},\n    4\n  ]\n}"
        );
    }
}
