//! An operator with the plainest browser there is: no JavaScript. Signs in at the desk, reads pages as text and sends their forms.

use reqwest::header::{CONTENT_DISPOSITION, LOCATION, SET_COOKIE};
use reqwest::redirect::Policy;
use reqwest::{Client, Response};
use tests::world::World;

/// Who is signed in.
pub(crate) const EMAIL: &str = "owner@example.org";
const PASSWORD: &str = "correct horse battery";

/// A page as it was answered, after redirects.
#[derive(Debug)]
pub(crate) struct Seen {
    pub(crate) status: u16,
    pub(crate) text: String,
}

impl Seen {
    /// Wants this status, and these words.
    pub(crate) fn says(&self, status: u16, words: &str) {
        assert!(
            self.status == status && self.text.contains(words),
            "{status} {words:?}: {} {}",
            self.status,
            self.text
        );
    }
}

pub(crate) struct Operator {
    client: Client,
    portal: String,
    cookie: String,
    csrf: String,
}

impl Operator {
    /// Signs in at the running portal.
    pub(crate) async fn sign_in(world: &World) -> Operator {
        let create = ["admin", "create", "--email", EMAIL, "--password-stdin"];
        world.portal_command(&create, PASSWORD).await;
        let client = Client::builder().redirect(Policy::none()).build().unwrap();
        let portal = world.portal_url();
        let address = format!("{portal}/admin/sign-in");
        let form = client.get(&address).send().await.unwrap();
        let cookie = cookies(&form);
        let csrf = secret(&form.text().await.unwrap());
        let credentials = [("csrf", csrf.as_str()), ("email", EMAIL), ("password", PASSWORD)];
        let signed_in = client.post(&address).header("cookie", cookie).form(&credentials).send().await.unwrap();
        assert_eq!(signed_in.status(), 303);
        let mut operator = Operator { cookie: cookies(&signed_in), client, portal, csrf };
        operator.csrf = secret(&operator.get("/admin").await.text);
        operator
    }

    /// A page of the desk.
    pub(crate) async fn get(&self, path: &str) -> Seen {
        let request = self.client.get(format!("{}{path}", self.portal)).header("cookie", &self.cookie);
        let answer = request.send().await.unwrap();
        Seen { status: answer.status().as_u16(), text: answer.text().await.unwrap() }
    }

    async fn send(&self, path: &str, csrf: &str, fields: &[(&str, &str)]) -> Response {
        let form: Vec<(&str, &str)> = [("csrf", csrf)].into_iter().chain(fields.iter().copied()).collect();
        let request = self.client.post(format!("{}{path}", self.portal)).header("cookie", &self.cookie);
        request.form(&form).send().await.unwrap()
    }

    /// Sends a form, and follows where it leads.
    pub(crate) async fn post(&self, path: &str, fields: &[(&str, &str)]) -> Seen {
        let answer = self.send(path, &self.csrf, fields).await;
        match answer.headers().get(LOCATION) {
            Some(there) => self.get(there.to_str().unwrap()).await,
            None => Seen { status: answer.status().as_u16(), text: answer.text().await.unwrap() },
        }
    }

    /// Sends a form, is asked whether it is right, and says yes.
    pub(crate) async fn post_and_confirm(&self, path: &str, fields: &[(&str, &str)], question: &str) -> Seen {
        let asked = self.post(path, fields).await;
        asked.says(200, question);
        asked.says(200, "name=\"confirmed\" value=\"yes\"");
        let confirmed: Vec<(&str, &str)> = fields.iter().copied().chain([("confirmed", "yes")]).collect();
        self.post(path, &confirmed).await
    }

    /// Wants a form refused that another page than ours has sent.
    pub(crate) async fn forged(&self, path: &str, fields: &[(&str, &str)]) {
        let answer = self.send(path, "a-guess", fields).await;
        assert_eq!(answer.status(), 403, "{path}");
        assert!(answer.text().await.unwrap().contains("Nothing was changed"), "{path}");
    }

    /// The file that a form gives, with its name.
    pub(crate) async fn download(&self, path: &str, fields: &[(&str, &str)]) -> (String, Vec<u8>) {
        let answer = self.send(path, &self.csrf, fields).await;
        assert_eq!(answer.status(), 200, "{path} {fields:?}");
        let name = answer.headers()[CONTENT_DISPOSITION].to_str().unwrap().to_owned();
        (name, answer.bytes().await.unwrap().to_vec())
    }
}

/// What the audit log has of this kind: each with who did it, the oldest first.
pub(crate) async fn audited(world: &World, action: &str) -> Vec<(String, String)> {
    sqlx::query_as("SELECT actor, object FROM admin_logs WHERE action = $1 ORDER BY id")
        .bind(action)
        .fetch_all(&world.pool)
        .await
        .unwrap()
}

/// The same, as this operator did it.
pub(crate) fn by_operator(objects: &[&str]) -> Vec<(String, String)> {
    objects.iter().map(|object| (EMAIL.to_owned(), (*object).to_owned())).collect()
}

fn cookies(answer: &Response) -> String {
    let pairs = answer.headers().get_all(SET_COOKIE).iter();
    let pairs = pairs.filter_map(|cookie| cookie.to_str().ok()?.split(';').next());
    pairs.filter(|pair| !pair.ends_with('=')).collect::<Vec<_>>().join("; ")
}

fn secret(page: &str) -> String {
    let after = page.split("name=\"csrf\" value=\"").nth(1).unwrap_or_else(|| panic!("no form: {page}"));
    after.split('"').next().unwrap().to_owned()
}
