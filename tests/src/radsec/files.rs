//! The files of `[radsec]`, where radiusd and radsecproxy find them.

use std::path::{Path, PathBuf};

use super::{Authority, Identity};
use crate::world::World;

/// A folder of a world with certificates in it.
pub struct Files(PathBuf);

impl Files {
    /// Writes the server's certificate and the authority of routers, and names them in the configuration; call it before
    /// radiusd is started. `more` is further lines of the section.
    ///
    /// # Panics
    /// If the folder cannot be written.
    pub fn configure(world: &World, server: &Identity, clients: &Authority, more: &str) -> Files {
        let config = world.config();
        let folder = config.parent().expect("the configuration stands in a folder").join("radsec");
        std::fs::create_dir_all(&folder).expect("a folder for certificates");
        let files = Files(folder);
        files.put_server(server);
        files.put("client-ca.pem", &clients.pem());
        let [certificate, key, client_ca] =
            ["server.pem", "server.key", "client-ca.pem"].map(|name| files.path(name).display().to_string());
        let text = std::fs::read_to_string(&config).expect("the configuration is there");
        let section = format!(
            "\n[radsec]\nlisten = [\"127.0.0.1:0\"]\ncertificate = \"{certificate}\"\nkey = \"{key}\"\nclient_ca = \"{client_ca}\"\n{more}\n"
        );
        std::fs::write(config, text + &section).expect("the configuration is written");
        files
    }

    /// Puts another certificate and key in place of the server's.
    pub fn put_server(&self, identity: &Identity) {
        self.put("server.pem", &identity.certificate);
        self.put("server.key", &identity.key);
    }

    /// Puts a file in place, as careful tools do: whole, under its name at once.
    ///
    /// # Panics
    /// If the folder cannot be written.
    pub fn put(&self, name: &str, text: &str) -> PathBuf {
        let (path, new) = (self.path(name), self.path(&format!("{name}.new")));
        std::fs::write(&new, text).expect("the file is written");
        std::fs::rename(&new, &path).expect("the file is put in place");
        path
    }

    /// Where a file of that name stands.
    pub fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// The folder itself.
    pub fn folder(&self) -> &Path {
        &self.0
    }
}
