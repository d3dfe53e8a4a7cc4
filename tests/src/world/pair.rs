//! A second portal beside the first one, and a second radiusd: the same database, seal key and Redis, other ports.
//!
//! Guests reach both, as behind a balancer that sends them anywhere. M-Pesa reports to the portal that has asked it, so each
//! of them is told things and each of them can be the one that is not there to hear.

use std::path::PathBuf;

use super::World;
use super::program::Program;

impl World {
    /// How the second portal is reached; its port, like the first one's, is chosen once.
    pub fn another_portal_url(&self) -> String {
        format!("http://127.0.0.1:{}", self.postgres.spare_port())
    }

    /// Starts another portal beside the first one, or starts it again, and waits until it answers.
    ///
    /// # Panics
    /// If the world has no simulated M-Pesa.
    pub async fn another_portal(&self) -> Program {
        let text = std::fs::read_to_string(self.config()).expect("the configuration is there");
        let listen = |port: u16| format!("[portal]\nlisten = \"127.0.0.1:{port}\"\n");
        let (first, second) = (listen(self.portal_port()), listen(self.postgres.spare_port()));
        let reports = format!("[mpesa]\ncallback_base_url = \"{}\"\n", self.another_portal_url());
        assert!(text.contains(&first) && text.contains("[mpesa]\n"), "a portal with a simulated M-Pesa is configured");
        let text = text.replace(&first, &second).replace("[mpesa]\n", &reports);
        let folder = self.another_portal_folder();
        std::fs::create_dir_all(&folder).expect("a folder for it");
        let config = folder.join("mlango.toml");
        std::fs::write(&config, text).expect("the configuration is written");
        Program::start("portal", &config, &folder).await
    }

    /// Starts a second radiusd on these ports, or starts it again, and waits until it answers. Its spool is its own.
    ///
    /// # Panics
    /// If it does not start.
    pub async fn radiusd_beside(&self, auth: &str, acct: &str) -> Program {
        let text = std::fs::read_to_string(self.config()).expect("the configuration is there");
        let folder = self.directory.0.join("beside");
        std::fs::create_dir_all(&folder).expect("a folder for it");
        let (spool, other) = (self.directory.0.join("spool"), folder.join("spool"));
        let text = text.replace(&spool.display().to_string(), &other.display().to_string());
        let line = |line: &str| match line.split(" = ").next() {
            Some("auth_listen") => format!("auth_listen = [\"{auth}\"]"),
            Some("acct_listen") => format!("acct_listen = [\"{acct}\"]"),
            Some("admin_listen") => "admin_listen = \"127.0.0.1:0\"".to_owned(),
            _ => line.to_owned(),
        };
        let config = folder.join("mlango.toml");
        let text: Vec<String> = text.lines().map(line).collect();
        std::fs::write(&config, text.join("\n")).expect("the configuration is written");
        Program::start("radiusd", &config, &folder).await
    }

    /// What all portals of this world have logged, those that were killed too: a line each, with the name of its file.
    pub fn portal_logs(&self) -> Vec<String> {
        let folders = [self.directory.0.clone(), self.another_portal_folder()];
        let files = folders.iter().filter_map(|folder| std::fs::read_dir(folder).ok()).flatten().flatten();
        let logs = files.map(|file| file.path()).filter(|path| {
            let is_portal = |name: &str| name.starts_with("portal-");
            path.extension().is_some_and(|kind| kind == "log")
                && path.file_name().and_then(|name| name.to_str()).is_some_and(is_portal)
        });
        let lines = |path: PathBuf| {
            let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            let text = std::fs::read_to_string(&path).unwrap_or_default();
            text.lines().map(|line| format!("{name}: {line}")).collect::<Vec<_>>()
        };
        logs.flat_map(lines).collect()
    }

    fn another_portal_folder(&self) -> PathBuf {
        self.directory.0.join("another-portal")
    }
}
