from django.db import migrations, models


class Migration(migrations.Migration):
    """Add a role for refunds, payments, and invoices that can't decide enrollments."""

    dependencies = [
        ('accounts', '0014_languages'),
    ]

    operations = [
        migrations.RemoveConstraint(
            model_name='membership',
            name='membership_role_known',
        ),
        migrations.RemoveConstraint(
            model_name='staffinvitation',
            name='staff_invitation_role_known',
        ),
        migrations.AlterField(
            model_name='membership',
            name='role',
            field=models.CharField(choices=[('owner', 'Owner'), ('admin', 'Admin'), ('finance', 'Finance'), ('reviewer', 'Reviewer'), ('viewer', 'Viewer')], default='viewer', max_length=10),
        ),
        migrations.AlterField(
            model_name='staffinvitation',
            name='role',
            field=models.CharField(choices=[('owner', 'Owner'), ('admin', 'Admin'), ('finance', 'Finance'), ('reviewer', 'Reviewer'), ('viewer', 'Viewer')], max_length=10),
        ),
        migrations.AddConstraint(
            model_name='membership',
            constraint=models.CheckConstraint(condition=models.Q(('role__in', ['owner', 'admin', 'finance', 'reviewer', 'viewer'])), name='membership_role_known'),
        ),
        migrations.AddConstraint(
            model_name='staffinvitation',
            constraint=models.CheckConstraint(condition=models.Q(('role__in', ['owner', 'admin', 'finance', 'reviewer', 'viewer'])), name='staff_invitation_role_known'),
        ),
    ]
