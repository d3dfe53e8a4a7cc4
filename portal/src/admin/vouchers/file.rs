//! The vouchers of a batch that are still good, as a file for the printer or a spreadsheet. It holds codes, so it is asked for with
//! a form of the desk, and each time is in the audit log before the file is made.

use axum::extract::{Path, State};
use axum::http::header;
use axum::response::{IntoResponse as _, Response};

use super::batch::{is_good, read, refused};
use crate::App;
use crate::admin::Refusal;
use crate::admin::audit::audit;
use crate::admin::form::Fields;
use crate::session::csrf::Posted;
use crate::urls;
use crate::vouchers::{self, csv, pdf};

/// What the file is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kind {
    Pdf(pdf::Sheet),
    Csv,
}

impl Kind {
    fn parse(text: &str) -> Option<Kind> {
        match text {
            "csv" => Some(Kind::Csv),
            paper => pdf::Sheet::parse(paper).map(Kind::Pdf),
        }
    }

    /// Its media type, and what its name ends with.
    fn names(self) -> (&'static str, &'static str) {
        match self {
            Kind::Pdf(_) => ("application/pdf", "pdf"),
            Kind::Csv => ("text/csv; charset=utf-8", "csv"),
        }
    }
}

/// `POST /admin/vouchers/{number}/file`.
pub(in crate::admin) async fn download(
    State(app): State<App>,
    Path(number): Path<String>,
    posted: Posted<Fields>,
) -> Result<Response, Refusal> {
    let kind = Kind::parse(posted.form.text("file")).ok_or(Refusal::NotFound)?;
    let (batch, all) = read(&app, &number).await?;
    let good: Vec<vouchers::Voucher> =
        all.iter().filter(|voucher| is_good(voucher)).map(vouchers::Voucher::from).collect();
    if good.is_empty() {
        return refused(&app, &posted.staff, &number, "None of this batch is still good.".into()).await;
    }
    if batch.redeem_before.is_some_and(|end| end <= app.clock.now()) {
        let problem = "The last day of this batch is over: nobody can use them any more.";
        return refused(&app, &posted.staff, &number, problem.into()).await;
    }
    audit(&app, &posted.staff, "voucher.export", &format!("batch {}", batch.number)).await?;
    let inner = app.clone();
    // Thousands of QR codes take a while: not on a thread that others wait for.
    let making = tokio::task::spawn_blocking(move || {
        let portal = &inner.config.portal;
        let data = vouchers::Batch {
            number: batch.number,
            brand: &portal.brand,
            support: &portal.support_phone,
            package: &batch.package,
            price: batch.price,
            redeem_before: batch.redeem_before,
            url_base: &urls::whole(&portal.public_url, urls::SCANNED),
        };
        let octets = match kind {
            Kind::Pdf(sheet) => pdf::render(sheet, &data, &good),
            Kind::Csv => csv::render(&data, &good),
        };
        (batch.number, octets)
    });
    let (number, octets) = making.await.map_err(Refusal::broken)?;
    let (media, ending) = kind.names();
    let name = format!("attachment; filename=\"vouchers-{number}.{ending}\"");
    Ok(([(header::CONTENT_TYPE, media.to_owned()), (header::CONTENT_DISPOSITION, name)], octets).into_response())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_one_of_the_papers_or_a_spreadsheet() {
        for sheet in pdf::Sheet::ALL {
            assert_eq!(Kind::parse(sheet.as_str()), Some(Kind::Pdf(sheet)));
        }
        assert_eq!(Kind::parse("csv"), Some(Kind::Csv));
        assert_eq!((Kind::parse(""), Kind::parse("letter")), (None, None));
    }
}
