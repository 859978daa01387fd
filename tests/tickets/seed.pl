# Fills the database of Request Tracker: a queue, the custom field of the key, and users. Prints what
# the tests are to know, as lines of the shell.
use strict;
use warnings;
use RT;
RT->LoadConfig;
RT->Init;

sub made {
    my ($ok, $said) = @_;
    die "$said\n" unless $ok;
}

my $root = RT->SystemUser;
my $queue = RT::Queue->new($root);
made($queue->Create(Name => 'Security', Description => 'Partners', SLADisabled => 1));

my $key = RT::CustomField->new($root);
made($key->Create(Name => 'PartnerWarden', Type => 'FreeformSingle', LookupType => 'RT::Queue-RT::Ticket'));
made($key->AddToObject($queue));

# A user with a token, and with rights on the queue.
sub user {
    my ($name, @rights) = @_;
    my $user = RT::User->new($root);
    made($user->Create(Name => $name, EmailAddress => "$name\@tests.example", Privileged => 1));
    made($user->PrincipalObj->GrantRight(Right => $_, Object => $queue)) for @rights;
    my $token = RT::AuthToken->new($root);
    my ($ok, $said, $text) = $token->Create(Owner => $user->Id, Description => 'tests');
    made($ok, $said);
    (my $variable = uc $name) =~ tr/-/_/;
    print "WARDEN_TEST_RT_TOKEN_$variable=$text\n";
}

my @reads = qw(SeeQueue ShowTicket SeeCustomField);
# The smallest rights that the page of the adapter names.
user('least', @reads, qw(CreateTicket CommentOnTicket ModifyTicket SetInitialCustomField ShowTicketComments));
# May do nothing.
user('nobody-of-note');
# May read and nothing else.
user('reader', @reads);
# May do all but set the key.
user('keyless', @reads, qw(CreateTicket CommentOnTicket ModifyTicket));
# May do all but see the key.
user('blind', qw(SeeQueue ShowTicket CreateTicket CommentOnTicket ModifyTicket SetInitialCustomField));
# May change statuses only.
user('mute', @reads, qw(CreateTicket SetInitialCustomField));
