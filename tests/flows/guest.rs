//! A guest with the plainest browser there is: no JavaScript, no cookies. It reads pages as text, follows links
//! and sends forms.

use std::collections::HashMap;

use tests::nas::Nas;
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
}

impl Guest {
    pub(crate) fn new(portal: &str, router: &Nas) -> Guest {
        Guest { client: reqwest::Client::new(), portal: portal.to_owned(), router: router.url().to_owned() }
    }

    pub(crate) async fn get(&self, url: &str) -> Page {
        Page::of(self.client.get(url).send().await.expect("an answer")).await
    }

    async fn post(&self, url: &str, form: &HashMap<String, String>) -> (String, Page) {
        let answer = self.client.post(url).form(form).send().await.expect("an answer");
        (answer.url().to_string(), Page::of(answer).await)
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

    /// Sends a form of one field to an address.
    pub(crate) async fn post_field(&self, url: &str, name: &str, value: &str) -> Page {
        self.post(url, &HashMap::from([(name.to_owned(), value.to_owned())])).await.1
    }

    /// Sends a form without fields to a path of the portal.
    pub(crate) async fn get_posted(&self, path: &str) -> Page {
        self.post(&format!("{}{path}", self.portal), &HashMap::new()).await.1
    }

    /// The stage of an order's page.
    pub(crate) async fn stage(&self, order: &str) -> Option<String> {
        let news: serde_json::Value = self.client.get(format!("{order}/state")).send().await.ok()?.json().await.ok()?;
        news["stage"].as_str().map(str::to_owned)
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
