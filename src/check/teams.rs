//! Whether SIGNL4 can be reached, team by team. Secrets are never tried: that would page.

use futures_util::future::join_all;

use super::report::{Finding, Remark};
use super::server::{is_loopback, unencrypted};
use super::tls_problem::tls_remedy;
use crate::alerting::TeamName;
use crate::config::Config;
use signl4::{Doubt, WebhookClient, WebhookUrl};

/// Tries to reach the host of every team's webhook.
pub(super) async fn probe(config: &Config, client: &WebhookClient) -> Vec<Finding> {
    let probes = config.signl4.webhooks().map(|(team, url)| probe_team(client, team.to_string(), url));
    let mut findings = join_all(probes).await.concat();
    let unused = config.signl4.teams.keys().filter(|name| {
        !config.triggers.iter().any(|trigger| trigger.team == TeamName::Named((*name).clone()))
    });
    findings.extend(unused.map(|name| {
        Finding::new(
            name,
            Remark::warning("no trigger pages this team", "give a trigger this team, or remove it"),
        )
    }));
    findings
}

/// What can be found out about a team's webhook without calling it.
pub(super) async fn probe_team(client: &WebhookClient, team: String, url: &WebhookUrl) -> Vec<Finding> {
    let host = url.host();
    let mut remarks = vec![match client.reach(url).await {
        Ok(()) => {
            Remark::fine(format!("{host} answers; the team's secret is not tried, because that would page"))
        }
        Err(reason) => {
            let unreachable = "allow this machine to reach it, directly or through the proxy in HTTPS_PROXY";
            let fix = tls_remedy(&reason).unwrap_or(unreachable);
            Remark::problem(format!("{host}: {reason}"), fix)
        }
    }];
    let unencrypted = unencrypted(url.is_tls(), host, "team's secret");
    remarks.extend(unencrypted.map(|text| Remark::warning(text, "write https:// in the webhook URL")));
    remarks.extend(url.doubt().and_then(|doubt| doubted(doubt, host)));
    remarks.into_iter().map(|remark| Finding::new(&team, remark)).collect()
}

/// Why a webhook URL is suspicious. Its secret is not repeated.
fn doubted(doubt: Doubt, host: &str) -> Option<Remark> {
    const COPY: &str = "copy the team's webhook URL from the SIGNL4 portal: https://connect.signl4.com/webhook/{team-secret}";
    Some(match doubt {
        // A relay on this machine.
        Doubt::OtherHost if is_loopback(host) => return None,
        Doubt::OtherHost => Remark::warning(
            format!("{host} is not SIGNL4: the alerts and the team's secret go to it"),
            format!("if {host} passes alerts on to SIGNL4, ignore this; otherwise {COPY}"),
        ),
        Doubt::Website => {
            Remark::problem(format!("the URL is a web page at {host}, which accepts no alerts"), COPY)
        }
        Doubt::Api => Remark::problem(
            "the URL belongs to SIGNL4's REST API, which accepts nothing without an API key",
            COPY,
        ),
        Doubt::Path | Doubt::Secret => Remark::warning(
            "the path of the webhook URL is not /webhook/ and what looks like a team's secret",
            format!("{COPY}; if it is correct, ignore this"),
        ),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::Grade;

    #[test]
    fn a_url_that_accepts_no_alerts_is_a_problem_and_a_doubtful_one_a_warning() {
        let reported = |url: &str| {
            let url = WebhookUrl::parse(url).unwrap();
            let remark = url.doubt().and_then(|doubt| doubted(doubt, url.host()));
            assert!(!format!("{remark:?}").contains("m5xk3"), "{remark:?}");
            remark.map(|remark| (remark.grade, remark.text))
        };
        assert_eq!(reported("https://connect.signl4.com/webhook/m5xk3qv7ty"), None);
        assert_eq!(reported("http://127.0.0.1:8080/m5xk3qv7ty"), None, "a relay on this machine");
        for (url, grade, text) in [
            (
                "https://relay.example.com/webhook/m5xk3qv7ty",
                Grade::Warning,
                "relay.example.com is not SIGNL4",
            ),
            ("https://connect.signl4.com/webhook/m5xk3/qv7ty", Grade::Warning, "the path"),
            ("https://connect.signl4.com/webhook/m5xk3", Grade::Warning, "team's secret"),
            ("https://account.signl4.com/manage/m5xk3", Grade::Problem, "web page at account.signl4.com"),
            ("https://connect.signl4.com/api/v2/events/m5xk3qv7ty", Grade::Problem, "REST API"),
        ] {
            let (is, reported) = reported(url).unwrap();
            assert!(is == grade && reported.contains(text), "{url}: {reported}");
        }
    }
}
