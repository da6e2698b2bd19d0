# EventBus::Clock: a clock of its own for a server, set as the test likes.
#
#	my $clock = EventBus::Clock->new or plan skip_all => ...;
#	$clock->set(90);			# seconds after a full hour, $clock->base
#	$node->stop;
#	$clock->start($node);		# with this clock
#
# The library is test/lib/step_clock.c. Full hours are boundaries of partitions
# of an hour.

package EventBus::Clock;

use strict;
use warnings;

use File::Basename qw(dirname);
use PostgreSQL::Test::Utils;

use constant HOUR => 3600;

# undef where there is no C compiler.
sub new
{
	my ($class) = @_;
	my $directory = PostgreSQL::Test::Utils::tempdir();
	my $self = bless {
		file => "$directory/clock",
		library => "$directory/step_clock.so",
		base => time + HOUR - time % HOUR }, $class;
	my $source = dirname(__FILE__) . '/../../lib/step_clock.c';

	return undef if system('cc', '-shared', '-fPIC', '-O', '-o', $self->{library}, $source) != 0;
	$self->set(0);
	return $self;
}

sub base
{
	my ($self) = @_;
	return $self->{base};
}

sub set
{
	my ($self, $to) = @_;

	# in place, and at once: processes have it mapped
	open(my $file, '+>>', $self->{file}) or die $!;
	truncate($file, 8);
	close($file);
	open($file, '+<', $self->{file}) or die $!;
	syswrite($file, pack('q', $self->{base} + $to - time), 8) == 8 or die $!;
	close($file);
}

sub start
{
	my ($self, $node) = @_;
	local %ENV = (%ENV, LD_PRELOAD => $self->{library}, STEP_CLOCK => $self->{file});

	$node->start;
}

1;
