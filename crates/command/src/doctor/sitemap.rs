//! The pages that a site says it has: the addresses of its sitemap, the first of them, of no more than two files.

use super::web::{Web, path_of};

/// So many addresses are read.
const ADDRESSES_MAX: usize = 50;

/// The paths of the sitemap, in its order; none where there is no sitemap.
pub fn paths(base: &str, web: &mut Web) -> Vec<String> {
    let Ok(answer) = web.get(&format!("{base}/sitemap.xml"), &[]) else { return Vec::new() };
    if answer.status != 200 || answer.is_html() {
        return Vec::new();
    }
    let found = locations(&answer.body);
    if answer.body.contains("<sitemapindex") {
        let first = found.first().map(|url| format!("{base}{}", path_of(url)));
        let inner = first.and_then(|url| web.get(&url, &[]).ok()).filter(|answer| answer.status == 200);
        return inner.map_or_else(Vec::new, |answer| paths_of(&locations(&answer.body)));
    }
    paths_of(&found)
}

fn paths_of(urls: &[String]) -> Vec<String> {
    urls.iter().map(|url| path_of(url).to_owned()).collect()
}

/// What stands between `<loc>` and `</loc>`. A sitemap has no other structure that matters here, and what is no
/// sitemap has none of these.
fn locations(xml: &str) -> Vec<String> {
    let parts = xml.split("<loc>").skip(1).filter_map(|part| part.split_once("</loc>"));
    let texts = parts.map(|(text, _)| text.trim().trim_start_matches("<![CDATA[").trim_end_matches("]]>").trim());
    let is_address = |text: &&str| text.starts_with("https://") || text.starts_with("http://");
    texts.filter(is_address).take(ADDRESSES_MAX).map(unescaped).collect()
}

fn unescaped(text: &str) -> String {
    text.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"").replace("&apos;", "'").replace("&amp;", "&")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_and_bounded() {
        let xml = "<?xml version='1.0'?><urlset><url><loc> https://shop.example/a?b&amp;c </loc></url>\
                   <url><loc><![CDATA[https://shop.example/d]]></loc></url><url><loc>nonsense</loc></url><url><loc>https://x";
        assert_eq!(paths_of(&locations(xml)), ["/a?b&c", "/d"]);
        let many = "<loc>https://shop.example/</loc>".repeat(1_000);
        assert_eq!(locations(&many).len(), ADDRESSES_MAX);
        assert!(locations("<html>no sitemap</html>").is_empty());
    }
}
