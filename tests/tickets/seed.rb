# Fills the database of Redmine: the REST API, a project, the custom field of the key, roles and
# users. Writes what the tests are to know into the file it is given, as lines of the shell.
Setting.rest_api_enabled = '1'
Setting.text_formatting = 'textile'
Setting.notified_events = []

tracker = Tracker.find_by!(name: 'Support')
project = Project.create!(name: 'Security', identifier: 'security', is_public: false,
                          trackers: [tracker], enabled_module_names: ['issue_tracking'])
Project.create!(name: 'Elsewhere', identifier: 'elsewhere', is_public: false,
                trackers: [tracker], enabled_module_names: ['issue_tracking'])
new = IssueStatus.find_by!(name: 'New')
closed = IssueStatus.find_by!(name: 'Closed')
progress = IssueStatus.find_by!(name: 'In Progress')
field = lambda do |name, filter|
  IssueCustomField.create!(name: name, field_format: 'string', is_for_all: true, is_filter: filter,
                           searchable: true, trackers: [tracker])
end
key = field.call('PartnerWarden', true)
unfiltered = field.call('Not a filter', false)

lines = {
  'PROJECT' => project.identifier, 'TRACKER' => tracker.id, 'FIELD' => key.id,
  'FIELD_UNFILTERED' => unfiltered.id, 'STATUS_NEW' => new.id, 'STATUS_CLOSED' => closed.id,
  'STATUS_PROGRESS' => progress.id, 'PRIORITY' => IssuePriority.find_by!(name: 'High').id
}

# A user with a role of its own, its API key, and the moves of the workflow that it may make.
user = lambda do |name, permissions, moves|
  role = Role.create!(name: name, permissions: permissions, issues_visibility: 'default')
  moves.each do |from, to|
    WorkflowTransition.create!(tracker: tracker, role: role, old_status_id: from, new_status_id: to)
  end
  person = User.new(firstname: name, lastname: 'Tests', mail: "#{name}@tests.example",
                    language: 'en', mail_notification: 'none')
  person.login = name
  person.random_password
  person.save!
  Member.create!(project: project, principal: person, roles: [role])
  lines["KEY_#{name.upcase}"] = person.api_key
end

moves = [[new.id, closed.id], [progress.id, closed.id], [closed.id, new.id]]
reads = [:view_issues]
writes = reads + [:add_issues, :edit_own_issues, :add_issue_notes]
# The smallest permissions that the page of the adapter names.
user.call('least', writes, moves)
# May read and nothing else.
user.call('reader', reads, moves)
# May do all, but its workflow has no way to another status.
user.call('stuck', writes, [])
# Somebody who handles tickets.
user.call('clerk', reads + [:add_issues, :edit_issues, :add_issue_notes],
          moves + [[new.id, progress.id]])
stranger = User.new(firstname: 'No', lastname: 'Member', mail: 'stranger@tests.example', language: 'en')
stranger.login = 'stranger'
stranger.random_password
stranger.save!
lines['KEY_STRANGER'] = stranger.api_key

File.write(ARGV[0], lines.map { |name, value| "WARDEN_TEST_REDMINE_#{name}=#{value}\n" }.join)
