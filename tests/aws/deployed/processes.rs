//! The environments that functions run in, as processes of this machine.

use std::fs;

use crate::stack::Scope;

/// The processes of a function that are alive.
pub fn of(scope: &Scope, function: &str) -> Vec<i32> {
    let (group, name) = (scope.stack.emulator.group, format!("AWS_LAMBDA_FUNCTION_NAME={}", scope.function(function)));
    let numbers = fs::read_dir("/proc").unwrap().filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    let is_one = |process: &i32| {
        let stat = fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
        // What follows the name, which may hold anything: state, parent, group.
        let of_group = stat.rsplit(')').next().and_then(|rest| rest.split_whitespace().nth(2)?.parse().ok());
        let environment = fs::read(format!("/proc/{process}/environ")).unwrap_or_default();
        of_group == Some(group) && environment.split(|byte| *byte == 0).any(|entry| entry == name.as_bytes())
    };
    numbers.filter(is_one).collect()
}

/// Ends processes as `kill -9` does. One that has ended already is no mistake.
pub fn kill(processes: &[i32]) {
    for process in processes {
        let killed = std::process::Command::new("sh").args(["-c", &format!("kill -9 {process}")]).output();
        killed.unwrap();
    }
}
