//! The containers: Docker's own client reads docker-compose.yml, hadolint the Dockerfiles, and what the services may do is held
//! against rules of ours. No container is started: machines that test have no engine.

use std::process::Command;

use serde_json::Value;

use crate::{files, program, read, root, succeeds};

/// What is reached from outside; everything else only from the machine itself. (3799 is the routers': radiusd calls them there.)
const PUBLISHED: [(&str, &str, &str); 5] = [
    ("nginx", "443", "tcp"),
    ("nginx", "80", "tcp"),
    ("radiusd", "1812", "udp"),
    ("radiusd", "1813", "udp"),
    ("radiusd", "2083", "tcp"),
];

/// docker-compose.yml as Docker understands it, every profile included.
fn composed() -> Option<Value> {
    let compose = program("MLANGO_COMPOSE")?;
    let mut command = Command::new(compose);
    command.current_dir(root()).env("PUBLIC_URL", "https://wifi.example.net");
    command.args(["--file", "docker-compose.yml", "--profile", "*", "config", "--format", "json"]);
    let ended = command.output().expect("docker compose runs");
    assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
    Some(serde_json::from_slice(&ended.stdout).expect("it speaks JSON"))
}

fn services(composed: &Value) -> impl Iterator<Item = (&str, &Value)> {
    let services = composed["services"].as_object().expect("there are services");
    services.iter().map(|(name, service)| (name.as_str(), service))
}

/// Whether an image is named with a version: a tag that begins with a digit, or a `v` and a digit, and says more than one number.
fn is_pinned(image: &str) -> bool {
    let Some((_, tag)) = image.rsplit_once(':') else { return false };
    let number = tag.strip_prefix('v').unwrap_or(tag);
    number.starts_with(|first: char| first.is_ascii_digit()) && number.contains('.')
}

/// What a service may do and should not, or lacks.
fn faults(service: &Value) -> Vec<String> {
    let mut faults = Vec::new();
    let mut must = |holds: bool, what: &str| {
        if !holds {
            faults.push(what.to_owned());
        }
    };
    must(service["image"].as_str().is_some_and(is_pinned), "an image with a version");
    must(service["read_only"] == true, "a root that cannot be written");
    must(service["cap_drop"] == serde_json::json!(["ALL"]) && service["cap_add"].is_null(), "no capabilities");
    must(service["privileged"].is_null(), "no privileges");
    must(service["security_opt"].to_string().contains("no-new-privileges:true"), "no new privileges");
    must(service["mem_limit"].is_string() && service["pids_limit"].is_u64(), "bounds for memory and processes");
    must(!service["logging"]["options"]["max-size"].is_null(), "an end of its log");
    // Its own image says its user; others' are told one here.
    let user = service["user"].as_str().unwrap_or_default();
    must(
        !service["build"].is_null() || !(user.is_empty() || user.starts_with('0') || user.starts_with("root")),
        "a user that is not root",
    );
    let runs_once = service["restart"] == "no";
    must(runs_once || service["healthcheck"]["test"].is_array(), "a health check");
    must(!service["volumes"].to_string().contains("docker.sock"), "no way to Docker");
    let secret_in_sight = service["environment"].as_object().is_some_and(|variables| {
        variables.keys().any(|name| {
            let name = name.to_uppercase();
            (name.contains("PASSWORD") || name.contains("SECRET") || name.ends_with("_KEY")) && !name.ends_with("FILE")
        })
    });
    must(!secret_in_sight, "secrets as files");
    faults
}

#[test]
fn every_service_is_kept_small() {
    let Some(composed) = composed() else { return };
    for (name, service) in services(&composed) {
        assert_eq!(faults(service), [""; 0], "{name}");
    }
}

#[test]
fn only_radius_and_nginx_are_reached_from_outside() {
    let Some(composed) = composed() else { return };
    let mut published = Vec::new();
    for (name, service) in services(&composed) {
        for port in service["ports"].as_array().map(Vec::as_slice).unwrap_or_default() {
            let word = |key: &str| port[key].as_str().unwrap_or_default().to_owned();
            published.push((name.to_owned(), word("published"), word("protocol")));
        }
        assert_ne!(service["network_mode"], "host", "{name}");
    }
    published.sort();
    let expected = PUBLISHED.map(|(name, port, protocol)| (name.to_owned(), port.to_owned(), protocol.to_owned()));
    assert_eq!(published, expected);
    assert_eq!(composed["networks"]["back"]["internal"], true, "databases have no way out");
}

#[test]
fn addresses_that_are_fixed_are_the_same_everywhere() {
    let Some(composed) = composed() else { return };
    let address = |name: &str| {
        let network = &composed["services"][name]["networks"]["front"]["ipv4_address"];
        network.as_str().unwrap_or_else(|| panic!("{name} has an address of its own")).to_owned()
    };
    let believed = format!("trusted_proxies = [\"{}/32\"]", address("nginx"));
    assert!(read("deploy/docker/mlango.toml").contains(&believed), "{believed}");
    let upstream = read("deploy/nginx/compose-upstream.conf");
    for portal in ["portal-1", "portal-2"] {
        let server = format!("server {}:8080 ", address(portal));
        assert!(upstream.contains(&server), "{server}");
    }
}

#[test]
fn what_is_shown_to_containers_is_there() {
    let Some(composed) = composed() else { return };
    let top = root();
    for (name, service) in services(&composed) {
        for volume in service["volumes"].as_array().map(Vec::as_slice).unwrap_or_default() {
            let source = volume["source"].as_str().unwrap_or_default();
            // Keys are made on the machine that runs it; the rest of the machine is not ours.
            let ours = volume["type"] == "bind" && std::path::Path::new(source).starts_with(&top);
            let made_there = source.contains("/deploy/secrets/");
            assert!(!ours || made_there || std::path::Path::new(source).exists(), "{name}: {source}");
        }
    }
    let makes = read("deploy/docker/secrets.bash");
    for secret in composed["secrets"].as_object().expect("there are secrets").values() {
        let file = secret["file"].as_str().unwrap_or_default();
        let file = file.rsplit('/').next().unwrap_or_default();
        assert!(makes.contains(file), "deploy/docker/secrets.bash makes {file}");
    }
}

#[test]
fn dockerfiles_are_as_their_readers_advise() {
    let Some(hadolint) = program("MLANGO_HADOLINT") else { return };
    let dockerfiles: Vec<_> = files("deploy/docker", "").into_iter().filter(|file| is_dockerfile(file)).collect();
    assert!(!dockerfiles.is_empty(), "there are Dockerfiles");
    succeeds(Command::new(hadolint).args(["--no-color", "--failure-threshold", "info"]).args(&dockerfiles));
}

fn is_dockerfile(file: &std::path::Path) -> bool {
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    name.starts_with("Dockerfile") && !name.ends_with(".dockerignore")
}

/// What a Dockerfile does that ours do not.
fn dockerfile_faults(text: &str) -> Vec<String> {
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    let mut faults = Vec::new();
    let stages: Vec<&str> =
        lines.iter().filter_map(|line| line.split_once(" AS ").map(|(_, name)| name.trim())).collect();
    for image in lines.iter().filter_map(|line| line.strip_prefix("FROM ")) {
        let image = image.split_whitespace().find(|word| !word.starts_with("--")).unwrap_or_default();
        let image = with_defaults(image, &lines);
        if !stages.contains(&image.as_str()) && !is_pinned(&image) {
            faults.push(format!("{image} has no version"));
        }
    }
    match lines.iter().filter_map(|line| line.strip_prefix("USER ")).next_back() {
        Some(user) if user.split(':').all(|id| id.parse::<u32>().is_ok_and(|number| number > 0)) => {}
        user => faults.push(format!("ends as {}", user.unwrap_or("root"))),
    }
    faults.extend(
        lines.iter().filter(|line| line.starts_with("ADD ")).map(|line| format!("{line}: COPY fetches nothing")),
    );
    faults
}

/// An image's name with what `ARG` puts into it.
fn with_defaults(image: &str, lines: &[&str]) -> String {
    let arguments = lines.iter().filter_map(|line| line.strip_prefix("ARG ")?.split_once('='));
    arguments.fold(image.to_owned(), |image, (name, value)| image.replace(&format!("${{{name}}}"), value))
}

#[test]
fn dockerfiles_name_versions_and_end_as_a_user_without_rights() {
    for file in files("deploy/docker", "").into_iter().filter(|file| is_dockerfile(file)) {
        let text = std::fs::read_to_string(&file).expect("a file of the checkout");
        assert_eq!(dockerfile_faults(&text), [""; 0], "{}", file.display());
    }
}

#[test]
fn faults_are_found() {
    for (image, pinned) in [
        ("postgres:17.6-bookworm", true),
        ("prom/prometheus:v3.5.0", true),
        ("postgres:17", false),
        ("nginx", false),
        ("a:latest", false),
    ] {
        assert_eq!(is_pinned(image), pinned, "{image}");
    }
    assert_eq!(dockerfile_faults("FROM a:1.0 AS build\nFROM build\nUSER 10001\n"), [""; 0]);
    assert_eq!(dockerfile_faults("FROM debian:latest\nADD https://example.net/x /x\nUSER root\n").len(), 3);
    assert_eq!(dockerfile_faults("FROM a:1.0\n"), ["ends as root"]);
    assert_eq!(dockerfile_faults("ARG A=a:1.0\nFROM ${A} AS x\nFROM b:1.0\nUSER 999\n"), [""; 0]);
    let open = serde_json::json!({ "image": "redis", "environment": { "REDIS_PASSWORD": "x" }, "user": "root" });
    assert_eq!(faults(&open).len(), 9);
}
