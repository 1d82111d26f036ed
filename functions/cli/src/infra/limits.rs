//! What CloudFormation and EventBridge Scheduler take at most.

use std::collections::BTreeMap;

use serde_json::Value;

use super::rules::Broken;
use super::template::Template;

/// Resources of one stack.
const RESOURCES: usize = 500;
/// Parameters and outputs of one template.
const PARAMETERS: usize = 200;
/// Length of a template, in bytes.
const BYTES: usize = 1 << 20;
/// Schedules of an account in a region.
const SCHEDULES: usize = 10_000_000;
/// Schedules that start in the same second without being throttled.
const AT_ONCE: usize = 1_000;
/// Length of a schedule's name.
const NAME: usize = 64;

/// All limits that the templates of a deployment pass.
pub fn broken(templates: &[Template]) -> Vec<Broken> {
    let mut broken: Vec<_> = templates.iter().flat_map(sizes).collect();
    let mut schedules = 0;
    let mut together: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    for template in templates {
        for (id, schedule) in template.resources_of(&["AWS::Scheduler::Schedule"]) {
            schedules += 1;
            let properties = &schedule["Properties"];
            broken.extend(one_schedule(template, id, properties));
            let expression = properties["ScheduleExpression"].as_str().unwrap_or_default();
            if expression.starts_with("cron") && properties["FlexibleTimeWindow"]["Mode"] == "OFF" {
                let zone = properties["ScheduleExpressionTimezone"].as_str().unwrap_or("UTC");
                *together.entry((expression, zone)).or_default() += 1;
            }
        }
    }
    let Some(root) = templates.iter().find(|template| template.place.is_empty()) else { return broken };
    if schedules > SCHEDULES {
        broken.push(
            root.broken("", format!("has {schedules} schedules, and a region takes {SCHEDULES}: use several regions")),
        );
    }
    for ((expression, zone), count) in together.into_iter().filter(|(_, count)| *count > AT_ONCE) {
        broken.push(root.broken(
            "",
            format!(
                "has {count} schedules that start at once, {expression} in {zone}, and {AT_ONCE} a second are not \
                 throttled: give tenants a `flexible_window` under `schedules`"
            ),
        ));
    }
    broken
}

fn sizes(template: &Template) -> Vec<Broken> {
    // SAM makes a mapping of each source of a function.
    let sources = template.resources_of(&["AWS::Serverless::Function"]);
    let sources =
        sources.map(|(_, function)| function["Properties"]["Events"].as_object().map_or(0, serde_json::Map::len));
    let resources = template.resources().count() + sources.sum::<usize>();
    let count = |section: &str| template.body[section].as_object().map_or(0, serde_json::Map::len);
    let parts = "; deploy the tenants in two parts, from two folders and as two stacks";
    [
        (resources, RESOURCES, "resources"),
        (count("Parameters"), PARAMETERS, "parameters"),
        (count("Outputs"), PARAMETERS, "outputs"),
        (template.bytes, BYTES, "bytes"),
    ]
    .into_iter()
    .filter(|(is, most, _)| is > most)
    .map(|(is, most, what)| template.broken("", format!("has {is} {what}, and CloudFormation takes {most}{parts}")))
    .collect()
}

fn one_schedule(template: &Template, id: &str, properties: &Value) -> Vec<Broken> {
    let mut messages = Vec::new();
    if let Some(name) = properties["Name"].as_str() {
        let is_known = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        if name.len() > NAME || !name.chars().all(is_known) {
            messages.push(format!(
                "is called {name}, and a schedule takes {NAME} letters, digits, `-`, `_` and `.`: rename the tenant"
            ));
        }
    }
    let target = &properties["Target"];
    if target.get("DeadLetterConfig").is_none() {
        messages.push("has no dead-letter queue: a run that could not be started is lost without a word".to_owned());
    }
    if target.get("RetryPolicy").is_none() {
        messages.push("has no retry policy: AWS would start a run up to a day late".to_owned());
    }
    messages.into_iter().map(|message| template.broken(id, message)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(text: &str) -> Vec<String> {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("template.yaml"), text).unwrap();
        let templates = Template::read_all(&dir.path().join("template.yaml")).unwrap();
        broken(&templates).into_iter().map(|broken| broken.message).collect()
    }

    fn schedules(count: usize, window: &str) -> String {
        let schedule = |number| {
            format!(
                "  S{number}:
    Type: AWS::Scheduler::Schedule
    Properties:
      ScheduleExpression: cron(0 6 * * ? *)
      FlexibleTimeWindow: {window}
      Target: {{RetryPolicy: {{MaximumRetryAttempts: 1}}, DeadLetterConfig: {{Arn: !Ref Dead}}}}
"
            )
        };
        format!("Resources:\n{}", (0..count).map(schedule).collect::<String>())
    }

    #[test]
    fn a_template_that_is_too_large_says_what_to_do() {
        assert_eq!(said(&schedules(500, "{Mode: 'OFF'}")), Vec::<String>::new());
        assert_eq!(
            said(&schedules(501, "{Mode: 'OFF'}")),
            [
                "has 501 resources, and CloudFormation takes 500; deploy the tenants in two parts, from two folders and as two stacks"
            ]
        );
    }

    #[test]
    fn many_schedules_at_once_ask_for_a_window() {
        let strict = said(&schedules(1_001, "{Mode: 'OFF'}"));
        assert!(strict.iter().any(|line| line.contains("has 1001 schedules that start at once")), "{strict:?}");
        let spread = said(&schedules(1_001, "{Mode: FLEXIBLE, MaximumWindowInMinutes: 15}"));
        assert!(!spread.iter().any(|line| line.contains("at once")), "{spread:?}");
    }
}
