//! The report as one page for a browser.
//!
//! The page is fixed: the report lies in it as JSON, which its script draws, putting text in as text. So nothing that
//! comes from a file is ever read as HTML, and the page's own policy forbids it any network.

use super::report::Report;

const PAGE: &str = include_str!("page/page.html");
const STYLE: &str = include_str!("page/page.css");
const SCRIPT: &str = concat!(
    include_str!("page/elements.js"),
    include_str!("page/map.js"),
    include_str!("page/charts.js"),
    include_str!("page/page.js"),
);

pub fn html(report: &Report) -> serde_json::Result<String> {
    let data = escaped(&serde_json::to_string(report)?);
    Ok([("/*STYLE*/", STYLE), ("/*SCRIPT*/", SCRIPT), ("/*REPORT*/", &data)]
        .into_iter()
        .fold(PAGE.to_owned(), |page, (place, content)| page.replacen(place, content, 1)))
}

/// JSON that ends no element of HTML: `<` may stand only within strings, where it can be escaped.
fn escaped(json: &str) -> String {
    json.replace('<', "\\u003c")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_text_of_a_file_is_html() {
        let hostile = "</script><img src=x onerror=alert(1)><!--<script>";
        let json = serde_json::to_string(hostile).expect("a string is JSON");
        let escaped = escaped(&json);
        assert!(!escaped.contains('<'));
        assert_eq!(serde_json::from_str::<String>(&escaped).expect("still JSON"), hostile);
    }
}
