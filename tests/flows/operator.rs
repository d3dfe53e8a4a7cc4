//! An operator with the plainest browser there is: no JavaScript. Signs in at the desk, reads pages as text and sends their forms.

use reqwest::header::{CONTENT_DISPOSITION, LOCATION, SET_COOKIE};
use reqwest::redirect::Policy;
use reqwest::{Client, Response};
use shared::staff::Role;
use tests::world::{Browser, World};

/// Who is signed in.
pub(crate) const EMAIL: &str = "owner@example.org";
pub(crate) const PASSWORD: &str = "correct horse battery";

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
    pub(crate) cookie: String,
    csrf: String,
}

impl Operator {
    /// Signs in at the running portal as its owner, with password and code.
    pub(crate) async fn sign_in(world: &World) -> Operator {
        Operator::sign_in_as(world, EMAIL, Role::Owner).await
    }

    /// The same as somebody else, whose account is made, with a second factor where it is compulsory.
    pub(crate) async fn sign_in_as(world: &World, email: &str, role: Role) -> Operator {
        make(world, email, role).await;
        Operator::again(world, email).await
    }

    /// Signs in with an account that is there.
    pub(crate) async fn again(world: &World, email: &str) -> Operator {
        let mut visitor = Operator::visitor(world).await;
        let mut answer = visitor.credentials(email, PASSWORD).await;
        if answer.status() == 200 {
            let ticket = hidden(&answer.text().await.unwrap(), "ticket");
            answer = visitor.second_step(&ticket, &world.code(email).await).await;
        }
        assert_eq!(answer.status(), 303, "{email} cannot sign in");
        visitor.adopt(&answer).await;
        visitor
    }

    /// Somebody before the sign-in, with its form open.
    pub(crate) async fn visitor(world: &World) -> Operator {
        let client = Client::builder().redirect(Policy::none()).build().unwrap();
        let portal = world.portal_url();
        let form = client.get(format!("{portal}/admin/sign-in")).send().await.unwrap();
        let cookie = cookies(&form);
        let csrf = hidden(&form.text().await.unwrap(), "csrf");
        Operator { client, portal, cookie, csrf }
    }

    /// The first step of signing in.
    pub(crate) async fn credentials(&self, email: &str, password: &str) -> Response {
        self.send("/admin/sign-in", &self.csrf, &[("email", email), ("password", password)]).await
    }

    /// The second one.
    pub(crate) async fn second_step(&self, ticket: &str, code: &str) -> Response {
        self.send("/admin/sign-in/code", &self.csrf, &[("ticket", ticket), ("code", code)]).await
    }

    /// Goes on with the session that an answer has begun.
    pub(crate) async fn adopt(&mut self, answer: &Response) {
        self.cookie = cookies(answer);
        let page = self.get("/admin/me/second-factor").await;
        self.csrf = hidden(&page.text, "csrf");
    }

    /// What is answered, wherever that leads.
    pub(crate) async fn ask(&self, method: &str, path: &str) -> Response {
        match method {
            "POST" => self.send(path, &self.csrf, &[]).await,
            _ => self.client.get(format!("{}{path}", self.portal)).header("cookie", &self.cookie).send().await.unwrap(),
        }
    }

    /// Sends a form of this session.
    pub(crate) async fn answer(&self, path: &str, fields: &[(&str, &str)]) -> Response {
        self.send(path, &self.csrf, fields).await
    }

    /// The whole address of a page.
    pub(crate) fn address(&self, path: &str) -> String {
        format!("{}{path}", self.portal)
    }

    /// A page of the desk.
    pub(crate) async fn get(&self, path: &str) -> Seen {
        let request = self.client.get(format!("{}{path}", self.portal)).header("cookie", &self.cookie);
        let answer = request.send().await.unwrap();
        Seen { status: answer.status().as_u16(), text: answer.text().await.unwrap() }
    }

    /// The first thing that a page which is open would be told (server-sent events).
    pub(crate) async fn first_event(&self, path: &str) -> String {
        let request = self.client.get(format!("{}{path}", self.portal)).header("cookie", &self.cookie);
        let mut answer = request.send().await.unwrap();
        assert_eq!(answer.headers()["content-type"], "text/event-stream", "{path}");
        let mut told = String::new();
        while !told.contains("\n\n") {
            let part = answer.chunk().await.unwrap().expect("it goes on");
            told.push_str(&String::from_utf8_lossy(&part));
        }
        told
    }

    /// A file that a link gives: its name and its octets.
    pub(crate) async fn file(&self, path: &str) -> (String, Vec<u8>) {
        let request = self.client.get(format!("{}{path}", self.portal)).header("cookie", &self.cookie);
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), 200, "{path}");
        let name = answer.headers()[CONTENT_DISPOSITION].to_str().unwrap().to_owned();
        (name, answer.bytes().await.unwrap().to_vec())
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

/// Makes an account, with a second factor where it is compulsory.
pub(crate) async fn make(world: &World, email: &str, role: Role) {
    let create = ["admin", "create", "--email", email, "--password-stdin", "--role", role.as_str()];
    world.portal_command(&create, PASSWORD).await;
    if role.must_have_second_factor() {
        world.give_second_factor(email).await;
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

/// Signs in by a browser, with the code of who has a second factor.
pub(crate) async fn by_browser(world: &World, browser: &Browser, email: &str) {
    browser.client.goto(&format!("{}/admin/sign-in", world.portal_url())).await.unwrap();
    browser.fill("email", email).await;
    browser.fill("password", PASSWORD).await;
    browser.press("main form button").await;
    let has_one = "SELECT totp_since IS NOT NULL FROM admin_users WHERE email = $1";
    if sqlx::query_scalar::<_, bool>(has_one).bind(email).fetch_one(&world.pool).await.unwrap() {
        browser.wait_for("Your code").await;
        browser.fill("code", &world.code(email).await).await;
        browser.press("main form button").await;
    }
    browser.wait_for("Sign out").await;
}

pub(crate) fn cookies(answer: &Response) -> String {
    let pairs = answer.headers().get_all(SET_COOKIE).iter();
    let pairs = pairs.filter_map(|cookie| cookie.to_str().ok()?.split(';').next());
    pairs.filter(|pair| !pair.ends_with('=')).collect::<Vec<_>>().join("; ")
}

/// The value of a hidden field.
pub(crate) fn hidden(page: &str, name: &str) -> String {
    let mark = format!("name=\"{name}\" value=\"");
    let after = page.split(&mark).nth(1).unwrap_or_else(|| panic!("no {name}: {page}"));
    after.split('"').next().unwrap().to_owned()
}
