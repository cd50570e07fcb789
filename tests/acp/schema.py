"""Checks what an agent said, as tap.py wrote it down, against the protocol's own JSON schema."""

import json

import jsonschema


def check(schema_path, log_path):
    """How many messages were checked, and what is wrong with which."""
    with open(schema_path, encoding="utf-8") as file:
        definitions = json.load(file)["$defs"]
    kinds = ("Request", "Response", "Notification")
    named = {}
    for name, definition in definitions.items():
        kind = next((kind for kind in kinds if name.endswith(kind)), None)
        if kind and "x-method" in definition:
            named[definition["x-side"], definition["x-method"], kind] = name

    def validator(name):
        return jsonschema.Draft202012Validator({"$ref": f"#/$defs/{name}", "$defs": definitions})

    asked, count, wrong = {}, 0, []
    with open(log_path, encoding="utf-8") as file:
        entries = [json.loads(line) for line in file]
    for entry in entries:
        message = json.loads(entry["line"])
        if entry["to"] == "agent":
            if "method" in message and "id" in message:
                asked[entry["tap"], json.dumps(message["id"])] = message["method"]
            continue
        if "error" in message:
            name, body = "Error", message["error"]
        elif "method" in message:
            kind = "Request" if "id" in message else "Notification"
            method = message["method"]
            name = named.get(("client", method, kind)) or named.get(("protocol", method, kind))
            body = message.get("params")
        else:
            method = asked.get((entry["tap"], json.dumps(message["id"])))
            name, body = named.get(("agent", method, "Response")), message["result"]
        if name is None:
            wrong.append(f"the protocol knows no such message: {entry['line']}")
            continue
        count += 1
        for error in validator(name).iter_errors(body):
            wrong.append(f"{name} at {list(error.absolute_path)}: {error.message[:300]}")
    return count, wrong
