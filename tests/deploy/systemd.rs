//! The units, read by systemd-analyze: nothing in them is misspelt, and a program that somebody has taken over can do little.

use std::process::Command;

use crate::{Folder, files, program, read, run, succeeds};

/// The most that a unit may expose, in tenths of systemd's scale from 0 to 10. The programs' are at 14; what is left is the
/// network and the host's own root, which they need.
const EXPOSURE_MAX: u32 = 25;

/// Our units with a program that is there, since systemd looks for it; an instance for each template.
fn units(folder: &Folder) -> Vec<std::path::PathBuf> {
    let mut units = Vec::new();
    for file in [files("deploy/systemd", ".service"), files("deploy/systemd", ".timer")].concat() {
        let name = file.file_name().expect("a file has a name").to_string_lossy().into_owned();
        let text = read(&format!("deploy/systemd/{name}"));
        let lines = text.lines().map(|line| match line.split_once('=') {
            Some((key, _)) if key.starts_with("Exec") => format!("{key}=/bin/true"),
            _ => line.to_owned(),
        });
        let text = lines.collect::<Vec<_>>().join("\n") + "\n";
        units.push(folder.write(&name.replace("@.", "@1."), &text));
    }
    assert!(units.len() >= 3, "there are units");
    units
}

#[test]
fn nothing_in_the_units_is_misspelt() {
    let Some(analyze) = program("MLANGO_SYSTEMD_ANALYZE") else { return };
    let folder = Folder::new("units");
    let units = units(&folder);
    let said = succeeds(Command::new(&analyze).args(["verify", "--man=no"]).args(&units));
    // What it does not know it only mentions.
    let ours = |line: &&str| line.contains("mlango-deploy-");
    assert_eq!(said.lines().filter(ours).collect::<Vec<_>>(), [""; 0]);
    let wrong = folder.write("wrong.service", "[Service]\nExecStart=/bin/true\nNoNewPriviliges=yes\n");
    let (_, said) = run(Command::new(&analyze).args(["verify", "--man=no"]).arg(wrong));
    assert!(said.contains("NoNewPriviliges"), "a misspelt line is found: {said}");
}

#[test]
fn whoever_takes_a_program_over_can_do_little() {
    let Some(analyze) = program("MLANGO_SYSTEMD_ANALYZE") else { return };
    let folder = Folder::new("exposure");
    let threshold = format!("--threshold={EXPOSURE_MAX}");
    let judge = |unit: &std::path::Path| {
        run(Command::new(&analyze).args(["security", "--offline=true", "--no-pager", &threshold]).arg(unit))
    };
    for unit in units(&folder).iter().filter(|unit| unit.extension().is_some_and(|end| end == "service")) {
        let (succeeded, said) = judge(unit);
        assert!(succeeded, "{}: {said}", unit.display());
        println!("{}", said.lines().last().unwrap_or_default());
    }
    let open = folder.write("open.service", "[Service]\nExecStart=/bin/true\n");
    assert!(!judge(&open).0, "a unit without bounds is found");
}
