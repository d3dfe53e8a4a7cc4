//! A guest with the plainest browser there is: no JavaScript, no cookies. It reads pages as text, follows links
//! and sends forms.

use std::collections::HashMap;
use std::sync::Mutex;

use tests::nas::{Mac, Nas};
use tests::world::eventually;

/// A page as it was answered.
pub(crate) struct Page {
    pub(crate) status: u16,
    pub(crate) text: String,
}

impl Page {
    async fn of(answer: reqwest::Response) -> Page {
        let status = answer.status().as_u16();
        Page { status, text: answer.text().await.expect("text") }
    }

    /// The value of `attribute` in the first tag that holds `mark`.
    pub(crate) fn attribute(&self, mark: &str, attribute: &str) -> Option<String> {
        let tag = self.text.split('<').find(|tag| tag.split('>').next().is_some_and(|head| head.contains(mark)))?;
        let value = tag.split(&format!("{attribute}=\"")).nth(1)?.split('"').next()?;
        Some(unescape(value))
    }

    /// The hidden fields of the form that holds `mark`.
    fn fields(&self, mark: &str) -> HashMap<String, String> {
        let form =
            self.text.split("<form").find(|form| form.split("</form").next().is_some_and(|body| body.contains(mark)));
        let body = form.and_then(|form| form.split("</form").next()).unwrap_or_default();
        let page = |tag: &str| Page { status: 200, text: format!("<{tag}") };
        body.split('<')
            .filter(|tag| tag.starts_with("input type=\"hidden\""))
            .filter_map(|tag| Some((page(tag).attribute("input", "name")?, page(tag).attribute("input", "value")?)))
            .collect()
    }
}

fn unescape(text: &str) -> String {
    text.replace("&quot;", "\"")
        .replace("&#34;", "\"")
        .replace("&#39;", "'")
        .replace("&lt;", "<")
        .replace("&#60;", "<")
        .replace("&gt;", ">")
        .replace("&#62;", ">")
        .replace("&#38;", "&")
        .replace("&amp;", "&")
}

pub(crate) struct Guest {
    client: reqwest::Client,
    portal: String,
    router: String,
    /// The device, where it is not the router's usual one.
    mac: Option<Mac>,
    /// What the browser calls itself.
    agent: String,
    /// The languages that it asks for; empty: it does not say.
    languages: String,
    /// The portal's cookie, in a browser that keeps cookies.
    cookie: Option<Mutex<String>>,
}

impl Guest {
    pub(crate) fn new(portal: &str, router: &Nas) -> Guest {
        Guest {
            client: reqwest::Client::new(),
            portal: portal.to_owned(),
            router: router.url().to_owned(),
            mac: None,
            agent: "captive browser".into(),
            languages: String::new(),
            cookie: None,
        }
    }

    /// The same with another device.
    pub(crate) fn with_mac(self, mac: Mac) -> Guest {
        Guest { mac: Some(mac), ..self }
    }

    /// The same with another browser.
    pub(crate) fn with_agent(self, agent: &str) -> Guest {
        Guest { agent: agent.to_owned(), ..self }
    }

    /// The same with a browser that asks for languages.
    pub(crate) fn with_languages(self, languages: &str) -> Guest {
        Guest { languages: languages.to_owned(), ..self }
    }

    /// The same with a browser that keeps cookies, and this one already.
    pub(crate) fn with_cookie(self, cookie: &str) -> Guest {
        Guest { cookie: Some(Mutex::new(cookie.to_owned())), ..self }
    }

    /// The portal's cookie.
    pub(crate) fn cookie(&self) -> String {
        self.cookie.as_ref().map(|cookie| cookie.lock().unwrap().clone()).unwrap_or_default()
    }

    async fn send_request(&self, request: reqwest::RequestBuilder, url: &str) -> reqwest::Response {
        let mut request = request.header("user-agent", &self.agent);
        if !self.languages.is_empty() {
            request = request.header("accept-language", &self.languages);
        }
        if let Some(mac) = self.mac.filter(|_| url.starts_with(&self.router)) {
            request = request.header("cookie", format!("nas-sim-phone={mac}"));
        }
        if let Some(cookie) = self.cookie.as_ref().filter(|_| url.starts_with(&self.portal)) {
            request = request.header("cookie", cookie.lock().unwrap().clone());
        }
        let answer = request.send().await.expect("an answer");
        if let (Some(kept), Some(new)) = (&self.cookie, answer.headers().get("set-cookie")) {
            *kept.lock().unwrap() = new.to_str().expect("text").split(';').next().unwrap_or_default().to_owned();
        }
        answer
    }

    pub(crate) async fn get(&self, url: &str) -> Page {
        Page::of(self.send_request(self.client.get(url), url).await).await
    }

    async fn post(&self, url: &str, form: &HashMap<String, String>) -> (String, Page) {
        let answer = self.send_request(self.client.post(url).form(form), url).await;
        (answer.url().to_string(), Page::of(answer).await)
    }

    /// Follows the link with these words, within the portal.
    pub(crate) async fn follow(&self, page: &Page, words: &str) -> Page {
        let before = page.text.split(&format!(">{words}</a>")).next().filter(|before| before.len() < page.text.len());
        let tag =
            before.and_then(|before| before.rsplit("<a ").next()).unwrap_or_else(|| panic!("{words}: {}", page.text));
        let path = tag.split("href=\"").nth(1).and_then(|rest| rest.split('"').next()).expect("a link");
        self.get(&format!("{}{}", self.portal, unescape(path))).await
    }

    /// Fills in and sends the form that holds `mark`, to where it goes in the portal; its button's name and value go along.
    pub(crate) async fn send(&self, page: &Page, mark: &str, fields: &[(&str, &str)]) -> Page {
        self.send_and_land(page, mark, fields).await.1
    }

    /// The same; returns also where that ended.
    pub(crate) async fn send_and_land(&self, page: &Page, mark: &str, fields: &[(&str, &str)]) -> (String, Page) {
        let form = page
            .text
            .split("<form")
            .skip(1)
            .map(|form| form.split("</form").next().unwrap_or_default())
            .find(|form| form.contains(mark))
            .unwrap_or_else(|| panic!("no form with {mark}: {}", page.text));
        let whole = Page { status: 200, text: format!("<form{form}") };
        let mut sent = page.fields(mark);
        if let Some(name) = whole.attribute("<button", "name").or_else(|| whole.attribute("button", "name")) {
            sent.insert(name, whole.attribute("button", "value").unwrap_or_default());
        }
        sent.extend(fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        let action = whole.attribute("form", "action").expect("an action");
        self.post(&format!("{}{action}", self.portal), &sent).await
    }

    /// Opens any page behind the router and lands on the portal, as a captive browser does.
    pub(crate) async fn arrive(&self) -> Page {
        let intercepted = self.get(&format!("{}/internet", self.router)).await;
        let portal = intercepted.attribute("id=\"continue\"", "href").unwrap_or_else(|| panic!("{}", intercepted.text));
        assert!(portal.starts_with(&self.portal), "{portal}");
        self.get(&portal).await
    }

    /// Chooses a package and pays from `phone`. Returns the address of the order's page.
    pub(crate) async fn buy(&self, page: &Page, package: &str, phone: &str) -> (String, Page) {
        let mut form = page.fields("name=\"phone\"");
        form.insert("package".into(), package.into());
        form.insert("phone".into(), phone.into());
        self.post(&format!("{}/buy", self.portal), &form).await
    }

    /// The same, saying when it shall begin.
    pub(crate) async fn buy_when(&self, page: &Page, package: &str, phone: &str, when: &str) -> (String, Page) {
        let mut form = page.fields("name=\"phone\"");
        form.insert("when".into(), when.into());
        form.insert("package".into(), package.into());
        form.insert("phone".into(), phone.into());
        self.post(&format!("{}/buy", self.portal), &form).await
    }

    /// The same by card.
    pub(crate) async fn buy_by_card(&self, page: &Page, package: &str, phone: &str) -> (String, Page) {
        let mut form = page.fields("name=\"phone\"");
        form.insert("pay".into(), "card".into());
        form.insert("package".into(), package.into());
        form.insert("phone".into(), phone.into());
        self.post(&format!("{}/buy", self.portal), &form).await
    }

    /// Sends a form of one field to an address.
    pub(crate) async fn post_field(&self, url: &str, name: &str, value: &str) -> Page {
        self.post(url, &HashMap::from([(name.to_owned(), value.to_owned())])).await.1
    }

    /// Sends a form without fields to a path of the portal.
    pub(crate) async fn get_posted(&self, path: &str) -> Page {
        self.post(&format!("{}{path}", self.portal), &HashMap::new()).await.1
    }

    /// What the script of an order's page is told.
    pub(crate) async fn news(&self, order: &str) -> Option<serde_json::Value> {
        // A language that was chosen stands behind the path.
        let (page, language) = order.split_once('?').unwrap_or((order, ""));
        self.client.get(format!("{page}/state?{language}")).send().await.ok()?.json().await.ok()
    }

    /// The stage of an order's page.
    pub(crate) async fn stage(&self, order: &str) -> Option<String> {
        self.news(order).await?["stage"].as_str().map(str::to_owned)
    }

    pub(crate) async fn wait_for_stage(&self, order: &str, wanted: &str) -> Page {
        eventually(&format!("the order's page says {wanted}"), || async {
            (self.stage(order).await? == wanted).then_some(())
        })
        .await;
        self.get(order).await
    }

    /// Presses "Go online": the full-page login at the router. Returns where that ended.
    pub(crate) async fn go_online(&self, page: &Page) -> (String, Page) {
        let action = page.attribute("id=\"login\"", "action").unwrap_or_else(|| panic!("no login form: {}", page.text));
        assert!(action.starts_with(&self.router), "{action}");
        self.post(&action, &page.fields("name=\"username\"")).await
    }

    pub(crate) async fn is_online(&self) -> bool {
        self.get(&format!("{}/internet", self.router)).await.text.contains("You are on the internet")
    }
}
